"""The routing mask for torch.compile: one small table, and an index of its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from musar_attention import SubjectTokens, TokenLayout, routing_mask


@dataclass(frozen=True, eq=False)
class Dense:
    """`routing_mask` of the smallest sequence that has a token of each sort."""

    table: Tensor  # bool, sorts × sorts
    sorts: Tensor  # int64 [L]: of every token; X's are unowned
    target: slice

    @classmethod
    def of(cls, layout: TokenLayout, static: bool, dynamic: bool) -> Dense:
        one = tuple(SubjectTokens((1, 1), (), 1) for _ in layout.subjects)
        small = TokenLayout(1, (1, 1 + layout.count), one, extra=1)
        owner = torch.arange(-1, layout.count)[None] if dynamic and layout.count else None
        sorts = torch.empty(layout.length, dtype=torch.long)
        sorts[layout.T] = small.T.start
        sorts[layout.X] = small.X.start
        sorts[layout.extra_slice] = small.extra_slice.start
        for k in range(layout.count):
            sorts[layout.CT(k)] = small.CT(k).start
            sorts[layout.CI(k)] = small.CI(k).start
        return cls(routing_mask(small, owner, static)[0], sorts, layout.X)

    def to(self, device: torch.device) -> Dense:
        return Dense(self.table.to(device), self.sorts.to(device), self.target)

    def mask(self, owner: Tensor | None) -> Tensor:
        """bool [B|1,1,L,L]"""
        rows = self.sorts[None]
        if owner is not None:  # an owner's sort comes behind the unowned one's, nobody is −1
            rows = rows + F.pad(owner + 1, (self.target.start, len(self.sorts) - self.target.stop))
        return self.table[rows[:, :, None], self.sorts[None, None]][:, None]
