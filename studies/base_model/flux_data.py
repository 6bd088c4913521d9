"""Batches for the base model. A batch is a function of the seed and its number, so a run resumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sprites.latents import latents_of
from sprites.text_encoder import TextEncoder
from training.network.batch import pack

from .samples import crowd_diptychs, crowds, diptychs, scenes


@dataclass(frozen=True)
class Batch:
    latent: Tensor  # B (H W) 64
    context: Tensor  # B T width
    pooled: Tensor
    noise: Tensor
    time: Tensor  # B, 1 is noise
    rows: int  # of tokens
    columns: int
    parts: Tensor  # B (H W), as Scene.parts has them


def batch(settings: dict, encode: TextEncoder, number: int) -> Batch:
    rng = np.random.default_rng((settings["seed"], number))
    mix = next(stage["mix"] for stage in settings["stages"] if number < stage["until"])
    shares = np.array([m["share"] for m in mix])
    kind = mix[rng.choice(len(mix), p=shares / shares.sum())]
    of_scenes, of_diptychs = (crowds, crowd_diptychs) if settings.get("crowd") else (scenes, diptychs)
    if kind["subjects"] == "diptych":
        source = of_diptychs(rng)
    else:
        source = of_scenes(rng, kind["slots"], kind["subjects"])
    cells, parts, words = [], [], []
    while len(cells) < settings["batch"]:
        sample = next(source)
        if encode.tokens(sample.caption) == kind["words"]:
            cells.append(sample.cells)
            parts.append(sample.parts)
            words.append(sample.caption)
    if rng.random() < settings["no_words"]:
        words = [""] * len(words)
    context, pooled = (torch.stack(part) for part in zip(*map(encode, words)))
    latent = pack(latents_of(cells))
    g = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    noise = torch.randn(latent.shape, generator=g)
    logit = settings["time_mean"] + settings["time_std"] * torch.randn(len(cells), generator=g)
    rows, columns = cells[0].shape
    truth = torch.from_numpy(np.stack(parts)).flatten(1, 2)
    return Batch(latent, context, pooled, noise, logit.sigmoid(), rows // 2, columns // 2, truth)
