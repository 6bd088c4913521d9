"""At which times a run learns: 0 is the picture, 1 is noise."""

from __future__ import annotations

import torch
from torch import Tensor

FLUX_SHIFT = ((256, 0.5), (4096, 1.15))  # tokens of a picture and its shift, FLUX.1's own; a line between


def shift_of(setting: float | str | None, tokens: int) -> float:
    """`auto` is FLUX's own by the picture's size; a number is itself, null is none."""
    if setting == "auto":
        (few, low), (many, high) = FLUX_SHIFT
        return low + (high - low) * (tokens - few) / (many - few)
    return float(setting or 0.0)


def draw_times(count: int, settings: dict, tokens: int, generator: torch.Generator) -> Tensor:
    """Logit-normal times; a larger mean lies nearer to noise. A schedule's shift μ, which takes t to
    e^μ t / (1 + (e^μ − 1) t), moves the mean by μ."""
    mean = settings["mean"] + shift_of(settings["shift"], tokens)
    return (mean + settings["std"] * torch.randn(count, generator=generator)).sigmoid()
