"""Position ids of the references: where each lies relative to the target, for RoPE.

diagonal   one after the other down the diagonal, starting where the target ends (UNO)
column     one after the other to the left of the target, at the target's rows (OminiControl)
index      each on a plane of its own, counted by the first id (FLUX.1 Kontext)
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

POSITIONS = ("diagonal", "column", "index")


def reference_ids(target: Tensor, references: Sequence[Tensor], positions: str) -> list[Tensor]:
    """New ids for each reference: target [B,n,3], references [B,·,3] -> as many [B,·,3].

    Ids are (plane, row, column). Whatever ids the references had, only their spacing counts.
    """
    if positions not in POSITIONS:
        raise ValueError(f"positions is one of {', '.join(POSITIONS)}; found {positions!r}.")
    start = target[:, :1]  # the target's first token
    offset = start.clone()
    if positions == "diagonal":
        offset[..., 1:] = target[..., 1:].amax(1, keepdim=True) + 1
    placed = []
    for ids in references:
        grid = ids - ids[:, :1]
        size = grid.amax(1, keepdim=True) + 1
        if positions == "column":
            offset[..., 2:] -= size[..., 2:]
        elif positions == "index":
            offset[..., :1] += 1
        placed.append(grid + offset)
        if positions == "diagonal":
            offset[..., 1:] += size[..., 1:]
    return placed
