"""Boxes that overlap: which lies on top, and so which tokens each subject's attention is written to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# crop: a token takes the subject that lies on top. sum: it takes the sum of all whose boxes hold it.
# joint: no boxes; every token attends to all subjects' tokens at once.
MERGES = ("crop", "sum", "joint")


def stacked(sizes: Sequence[float], priorities: Sequence[float]) -> list[int]:
    """Subjects from the bottom to the top: by priority; of equals the smaller is higher, then the later."""
    return sorted(range(len(sizes)), key=lambda k: (priorities[k], -sizes[k], k))


def on_top(inside: Tensor, order: Sequence[int]) -> Tensor:
    """inside bool [n,c], order from the bottom -> int64 [n]: the subject that a token shows, −1 = none."""
    top = torch.full(inside.shape[:1], -1, dtype=torch.int64, device=inside.device)
    for k in order:
        top[inside[:, k]] = k
    return top


def rows_of(inside: Tensor, order: Sequence[int], merge: str = "crop") -> list[Tensor]:
    """int64 [·] for each subject: the tokens its attention is written to. joint has one for all subjects."""
    if merge == "joint":
        return [torch.arange(len(inside), device=inside.device)]
    if merge == "sum":
        return [column.nonzero().flatten() for column in inside.T]
    top = on_top(inside, order)
    return [(top == k).nonzero().flatten() for k in range(inside.shape[1])]
