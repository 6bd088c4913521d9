"""Train the image adapter beside the frozen base, on pictures of one subject.

Published adapters learned from pictures that their subject fills. Here a subject is small and stands
somewhere, so each example has a window that sees it: its very place, a larger part of the picture, or all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sprites.latents import latents_of
from sprites.text_encoder import TextEncoder
from sprites.world.captions import caption, held_out_prompt
from sprites.world.kinds import SIDE
from sprites.world.palette import picture
from sprites.world.scene import PATCH, Placed, pick_scene, reference
from tools.comfy_server import ROOT
from training.data.sprites import CORNERS
from training.encoders.sprites import SpritesEncoder
from training.network.base import load_base
from training.network.batch import pack
from training.network.routing import Router

from ..base_model.flux import velocity
from ..base_model.flux_data import Batch
from ..base_model.loop import Losses, Run
from .beside import Adapter, Beside, Seen
from .vision import Embed

MODELS = ROOT / "demo" / "models"
FARTHEST = 3  # tokens by which a window is larger than the subject, on each side


@dataclass(frozen=True)
class Lesson:
    base: Batch  # what the base model is trained with
    images: Tensor  # B 64 64 3: of the subjects
    known: Tensor  # B: is the look shown? else the embedding is zeros
    window: Tensor  # B 1 n: which tokens see it
    weight: Tensor  # B n: of the loss


def lesson(settings: Mapping, encode: TextEncoder, number: int) -> Lesson:
    """A function of the seed and the number, so a run resumes."""
    rng = np.random.default_rng((settings["seed"], number))
    across, ways = settings["slots"], settings["windows"]
    slots = int(rng.choice(list(across), p=np.array(list(across.values()))))
    scenes = []
    while len(scenes) < settings["batch"]:
        scene = pick_scene(rng, 1, slots)
        if not held_out_prompt(scene):
            scenes.append(scene)
    rows, columns = scenes[0].rows // PATCH, scenes[0].columns // PATCH
    words, images, known, windows, weights = [], [], [], [], []
    for scene in scenes:
        (subject,) = scene.subjects
        words.append("" if rng.random() < settings["no_words"] else caption(rng, scene))
        images.append(picture(reference(subject.kind, subject.identity, *rng.choice(CORNERS, 2))))
        known.append(rng.random() >= settings["no_look"])
        how = rng.choice(list(ways), p=list(ways.values())) if known[-1] else "whole"
        windows.append(window(rng, str(how), subject, rows, columns))
        own = window(rng, "exact", subject, rows, columns)
        weights.append(1 + (settings["box_weight"] - 1) * own)
    context, pooled = (torch.stack(part) for part in zip(*map(encode, words)))
    latent = pack(latents_of([scene.cells() for scene in scenes]))
    g = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    noise = torch.randn(latent.shape, generator=g)
    logit = settings["time_mean"] + settings["time_std"] * torch.randn(len(scenes), generator=g)
    parts = torch.zeros(latent.shape[:2], dtype=torch.int64)
    return Lesson(
        Batch(latent, context, pooled, noise, logit.sigmoid(), rows, columns, parts),
        torch.from_numpy(np.stack(images)).float() / 255,
        torch.tensor(known),
        torch.from_numpy(np.stack(windows)).float().flatten(1)[:, None],
        torch.from_numpy(np.stack(weights)).float().flatten(1),
    )


def window(rng: np.random.Generator, how: str, subject: Placed, rows: int, columns: int) -> np.ndarray:
    """bool rows × columns of tokens."""
    seen = np.full((rows, columns), how == "whole")
    more = rng.integers(FARTHEST + 1, size=4) if how == "grown" else np.zeros(4, int)
    top, left, side = subject.row // PATCH, subject.column // PATCH, SIDE // PATCH
    seen[max(0, top - more[0]) : top + side + more[1], max(0, left - more[2]) : left + side + more[3]] = True
    return seen


def train_adapter(settings: Mapping, embed: Embed, checkpoint: Path) -> Run:
    flux = load_base(MODELS / "sprites_flux.safetensors").requires_grad_(False)
    encode = SpritesEncoder(MODELS).encode
    torch.manual_seed(settings["seed"])
    blocks = len(flux.transformer_blocks) + len(flux.single_transformer_blocks)
    sees = embed.looks.places.shape[1]
    sizes = (settings["inner"], settings["tokens"], settings["width"])
    adapter = Adapter(sees, *sizes, [flux.inner_dim] * blocks)
    beside = Beside(flux, Router(flux), adapter)

    def losses(step: int) -> Losses:
        told = lesson(settings, encode, step)
        base, weight = told.base, told.weight
        embeds = embed(told.images).float() * told.known[:, None]
        beside.seen = Seen(adapter.tokens(embeds)[:, None], told.window)
        t = base.time[:, None, None]
        noisy = (1 - t) * base.latent + t * base.noise
        wrong = velocity(flux, noisy, base.time, base).float() - (base.noise - base.latent)
        squares = wrong.square().mean(-1)
        inside = weight > 1
        return {
            "loss": (weight * squares).sum() / weight.sum(),
            "inside": squares[inside].mean(),
            "outside": squares[~inside].mean(),
        }

    run = Run({"adapter": adapter}, settings)
    run.go("adapter", losses, checkpoint)
    return run
