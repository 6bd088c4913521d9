"""Which subject a target token is routed to (MUSAR Eq. 4)."""

from __future__ import annotations

from torch import Tensor

from .layout import TokenLayout


def assign(affinity: Tensor, allowed: Tensor | None = None) -> Tensor:
    """The owner of each target token: affinity [B,n,c] -> int64 [B,n], −1 = nobody.

    `allowed` bool [B|1,n,c] says which subjects may own a token; where it allows none, nobody
    does. Equal affinities go to the first subject. A NaN counts as the largest affinity.
    """
    if affinity.shape[-1] == 0:
        return affinity.new_full(affinity.shape[:2], -1).long()
    if allowed is None:
        return affinity.argmax(-1)
    owner = affinity.masked_fill(~allowed, float("-inf")).argmax(-1)
    return owner.masked_fill(~allowed.any(-1), -1)


def settled(layout: TokenLayout) -> bool:
    """One subject alone owns all that it may: its affinity need not be known."""
    return layout.count == 1
