"""Pictures from a model in training, with the host's schedule and its way of guidance."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..network.batch import Batch
from ..network.family import family_by
from .sampler import euler, sigmas


def nothing_said(batch: Batch, prompt: tuple[Tensor, Tensor]) -> Batch:
    """The negative of a batch: this prompt, no subjects."""
    text, pooled = (t.expand(len(batch.text), *t.shape).to(batch.text.device) for t in prompt)
    return replace(batch, text=text, pooled=pooled, conditions=(), phrases=None)


@torch.no_grad()
def draw(
    model: nn.Module,
    batch: Batch,
    noise: Tensor,
    steps: int,
    negative: Batch | None = None,
    cfg: float = 1.0,
    guidance: float | None = None,
) -> Tensor:
    """noise [B,n,w] -> latents [B,n,w]; `batch`'s own latents are not looked at."""

    def velocity(x: Tensor, sigma: Tensor) -> Tensor:
        time = sigma.expand(len(x)).to(x.device)
        v = model(batch, x, time, guidance).float()
        if negative is None or cfg == 1:
            return v
        away = model(negative, x, time, guidance).float()
        return away + cfg * (v - away)

    return euler(velocity, noise, sigmas(steps, family_by(noise).shift))
