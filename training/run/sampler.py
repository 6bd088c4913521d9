"""Draw with a flow-matching model: Euler steps along FLUX's shifted schedule, as the host does."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SHIFT = 1.15  # of FLUX.1-dev in the host, whatever the picture's size


def sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """1 … 0, steps + 1 of them."""
    t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    rise = math.exp(shift)
    return (rise * t / (1 + (rise - 1) * t)).float()


@torch.no_grad()
def euler(velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, schedule: Tensor) -> Tensor:
    """`velocity(x, sigma)` for a batch x; `noise` is x at the schedule's first sigma."""
    x = noise
    for now, after in zip(schedule[:-1], schedule[1:]):
        x = x + (after - now) * velocity(x, now)
    return x
