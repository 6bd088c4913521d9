"""Batches for the base model of FLUX.2: as FLUX.1's, and in most of them a reference of each subject."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sprites.latents import flux2_latents_of
from sprites.world.captions import caption, held_out_prompt
from sprites.world.scene import PATCH, REFERENCE, Scene, pick_scene, reference
from training.data.sprites import CORNERS
from training.encoders.sprites_flux2 import SpritesFlux2Encoder
from training.network.batch import pack
from training.network.sequence import Condition

from .samples import Sample, diptychs, scenes

Shown = tuple[Sample, list[np.ndarray]]  # and its references


@dataclass(frozen=True)
class Batch:
    latent: Tensor  # B (h w) 128
    size: tuple[int, int]  # h, w
    ids: Tensor  # of the words, B T
    real: Tensor  # and what of them is no padding
    references: tuple[Condition, ...]
    noise: Tensor
    time: Tensor  # B, 1 is noise
    parts: Tensor  # B (h w), as Scene.parts has them

    def to(self, device: torch.device) -> Batch:
        tensors = {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        shown = tuple(replace(c, image=c.image.to(device)) for c in self.references)
        return replace(self, references=shown, **moved)


class Batches(Dataset):
    def __init__(self, settings: dict, encoder: SpritesFlux2Encoder) -> None:
        self.settings, self.encoder = settings, encoder

    def __getitem__(self, number: int) -> Batch:
        return batch(self.settings, self.encoder, number)


def batches(
    settings: dict, encoder: SpritesFlux2Encoder, first: int, device: torch.device
) -> Iterator[Batch]:
    """From this number on. Beside a GPU the other cores draw them."""
    numbers = range(first, settings["steps"])
    workers = 0 if device.type == "cpu" else max(1, os.cpu_count() - 2)
    told = {"prefetch_factor": 4} if workers else {}
    loader = DataLoader(Batches(settings, encoder), None, sampler=numbers, num_workers=workers, **told)
    for b in loader:
        yield b.to(device)


def batch(settings: dict, encoder: SpritesFlux2Encoder, number: int) -> Batch:
    rng = np.random.default_rng((settings["seed"], number))
    stage = next(stage for stage in settings["stages"] if number < stage["until"])
    shares = np.array([m["share"] for m in stage["mix"]])
    kind = stage["mix"][rng.choice(len(shares), p=shares / shares.sum())]
    shown = [one(rng, kind) for _ in range(settings["batch"])]
    words = [sample.caption for sample, _ in shown]
    references = [pictures for _, pictures in shown]
    if rng.random() < settings["no_words"]:
        words = [""] * len(words)
        if rng.random() < 0.5:
            references = [[] for _ in shown]
    latent = flux2_latents_of([sample.cells for sample, _ in shown])
    packed = pack(latent)
    g = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    logit = settings["time_mean"] + settings["time_std"] * torch.randn(len(words), generator=g)
    side = (REFERENCE // PATCH,) * 2
    return Batch(
        packed,
        tuple(latent.shape[-2:]),
        *encoder.padded(words, kind.get("length", stage["length"])),
        tuple(Condition(pack(flux2_latents_of(list(k))), side, None, ()) for k in zip(*references)),
        torch.randn(packed.shape, generator=g),
        logit.sigmoid(),
        torch.from_numpy(np.stack([sample.parts for sample, _ in shown])).flatten(1, 2),
    )


def one(rng: np.random.Generator, kind: dict) -> Shown:
    if kind["subjects"] == "diptych":
        return next(diptychs(rng)), []
    if not kind["references"]:
        return next(scenes(rng, kind["slots"], kind["subjects"])), []
    count = kind["subjects"][rng.integers(len(kind["subjects"]))]
    while held_out_prompt(scene := pick_scene(rng, count, kind["slots"])):
        pass
    return Sample(scene.cells(), scene.parts(), caption(rng, scene)), looks(rng, scene)


def looks(rng: np.random.Generator, scene: Scene) -> list[np.ndarray]:
    """A reference of each subject, in any order; two of a kind stay in that of the words."""
    order = rng.permutation(len(scene.subjects))
    for kind in {s.kind for s in scene.subjects}:
        places = [place for place, k in enumerate(order) if scene.subjects[k].kind == kind]
        order[places] = np.sort(order[places])
    subjects = [scene.subjects[k] for k in order]
    return [reference(s.kind, s.identity, *(CORNERS[rng.integers(2)] for _ in range(2))) for s in subjects]
