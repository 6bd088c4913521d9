"""The leak diagnostic: how much of each region's attention goes to which reference.

Attention's output for values that are 1 on one reference's tokens and 0 elsewhere is the attention
paid to that reference. So the shares come out of one more attention call along the same routes,
with marks in place of values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import TokenLayout


def reference_marks(v: Tensor, layout: TokenLayout) -> Tensor:
    """In place of v [B,H,L,D]: column k is 1 on the tokens of reference k and its condition prompt."""
    marks = v.new_zeros(1, 1, layout.length, v.shape[-1])
    if layout.count > v.shape[-1]:
        raise ValueError(f"Leak is measured for up to {v.shape[-1]} subjects; found {layout.count}.")
    for k in range(layout.count):
        for part in (layout.CT(k), layout.CI(k)):
            marks[:, :, part, k] = 1
    return marks.expand(*v.shape[:2], -1, -1)


@dataclass(frozen=True)
class Leak:
    """Sums, so that layers and steps add up."""

    mass: Tensor  # float32 [B,c,c]: attention of region i's tokens to reference k
    tokens: Tensor  # float32 [B,c]: how many they were

    @classmethod
    def of(cls, marked: Tensor, owner: Tensor, layout: TokenLayout) -> Leak:
        """`marked` [B,H,L,D] is attention's output for the marks, `owner` [B,n]."""
        paid = marked[:, :, layout.X, : layout.count].float().mean(1)  # B n c
        own = (owner[..., None] == torch.arange(layout.count, device=owner.device)).float()
        return cls(own.transpose(1, 2) @ paid, own.sum(1))

    def __add__(self, other: Leak | None) -> Leak:
        return self if other is None else Leak(self.mass + other.mass, self.tokens + other.tokens)

    def rows(self, rows: slice) -> Leak:
        """Of these samples of the batch."""
        return Leak(self.mass[rows].cpu(), self.tokens[rows].cpu())

    @property
    def shares(self) -> Tensor:
        """float32 [B,c,c]; NaN for a region that no token was in."""
        return self.mass / self.tokens[..., None]
