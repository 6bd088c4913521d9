"""Who may attend to whom as one dense mask: the oracle that the fast path is held against.

query              static on                  static off
T                  T, X, extra                everything
condition i        CTi, CIi, X                everything
X owned by k       T, X, extra, CTk, CIk      the same
X owned by nobody  T, X, extra                the same
X, no owners       T, X, extra, conditions    the same
extra              T, X, extra                everything

Where a subject's phrase is held, of X its own tokens alone see the phrase; in a silent sample all do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .layout import TokenLayout


def routing_mask(
    layout: TokenLayout, owner: Tensor | None = None, static: bool = True, silent: Sequence[bool] = ()
) -> Tensor:
    """bool [B|1,L,L], True = the query (row) may attend to the key (column)."""
    device = "cpu" if owner is None else owner.device
    batch = 1 if owner is None else owner.shape[0]
    common = torch.zeros(layout.length, dtype=torch.bool, device=device)
    for part in (layout.T, layout.X, layout.extra_slice):
        common[part] = True

    mask = torch.ones(batch, layout.length, layout.length, dtype=torch.bool, device=device)
    if static:
        mask[:, layout.T] = common
        mask[:, layout.extra_slice] = common
        for i in range(layout.count):
            own = torch.zeros_like(common)
            for part in (layout.CT(i), layout.CI(i), layout.X):
                own[part] = True
            mask[:, layout.CT(i)] = own
            mask[:, layout.CI(i)] = own
    if owner is not None:
        mask[:, layout.X] = common
        for i in range(layout.count):
            for part in (layout.CT(i), layout.CI(i)):
                mask[:, layout.X, part] = (owner == i)[..., None]
        whole = torch.tensor([*silent] or [False] * batch, device=device)[:, None]
        for i in range(-1, layout.count):
            for word in layout.unseen(i):
                mask[:, layout.X, word] &= (owner != i) | whole
    return mask
