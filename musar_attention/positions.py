"""Position ids of the references: where each lies relative to the target, for RoPE.

diagonal   one after the other down the diagonal, starting where the target ends (UNO)
column     one after the other to the left of the target, at the target's rows (OminiControl)
index      each on a plane of its own, counted by the first id (FLUX.2, in steps of ten)
offset     all on the plane next to the target's, each beside or below those before it, so that they grow
           into a square (FLUX.1 Kontext, as the host places several pictures)

With `places` there are only so many places, and references take them in turn: those beyond what a model
was trained with then lie where it has learned to look. Routed apart, they do not meet there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

POSITIONS = ("diagonal", "column", "index", "offset")


def reference_ids(
    target: Tensor, references: Sequence[Tensor], positions: str, places: int = 0, planes: float = 1
) -> list[Tensor]:
    """New ids for each reference: target [B,n,axes], references [B,·,axes] -> as many [B,·,axes].

    Reference k lies where reference k modulo `places` does; 0 = each has a place of its own. Planes of
    `index` are so many apart.

    Ids are (plane, row, column, …); what follows counts other things than places (words, in FLUX.2).
    Whatever ids the references had, only their spacing counts.
    """
    if positions not in POSITIONS:
        raise ValueError(f"positions is one of {', '.join(POSITIONS)}; found {positions!r}.")
    if places < 0:
        raise ValueError(f"There are 1 or more places for references, or 0 for one each; found {places}.")
    corner = target[:, :1].clone()  # of the next place: top left; of a column's, top right
    if positions == "diagonal":
        corner[..., 1:3] = target[..., 1:3].amax(1, keepdim=True) + 1
    origin = target[:, :1]
    if positions == "offset":
        corner[..., :1] += 1
    covered = torch.zeros_like(corner)  # rows and columns that offset has filled
    corners, placed = [], []
    for k, ids in enumerate(references):
        grid = ids - ids[:, :1]
        size = grid.amax(1, keepdim=True) + 1
        if not places or k < places:
            if positions == "index":
                corner[..., :1] += planes
            elif positions == "offset":
                beside = (size + covered)[..., 1:2] > (size + covered)[..., 2:3]
                corner[..., 1:2] = origin[..., 1:2] + covered[..., 1:2].masked_fill(beside, 0)
                corner[..., 2:3] = origin[..., 2:3] + covered[..., 2:3].masked_fill(~beside, 0)
                ends = corner[..., 1:3] - origin[..., 1:3] + size[..., 1:3]
                covered[..., 1:3] = covered[..., 1:3].maximum(ends)
            corners.append(corner.clone())
            if positions == "diagonal":
                corner[..., 1:3] += size[..., 1:3]
            elif positions == "column":
                corner[..., 2] -= size[..., 2]
        begin = corners[k % places if places else k].clone()
        if positions == "column":
            begin[..., 2] -= size[..., 2]
        placed.append(grid + begin)
    return placed
