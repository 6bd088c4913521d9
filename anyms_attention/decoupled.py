"""Global decoupling: text and image attention apart, then added. Local decoupling: each subject in its box.

Attention is independent from row to row, so a crop of the queries attends as the same rows of the whole
would: crop-and-merge is a plain call for each subject over the rows that show it, and no mask is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BACKGROUNDS = ("zero", "query")  # what Z_image is where no box lies
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # q, k, v [B,H,·,D] -> [B,H,·,D]


def image_attention(
    q: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    rows: Sequence[Tensor],
    attend: Attend,
    background: str = "zero",
) -> Tensor:
    """Z_image [B,H,n,D]: q [B,H,n,D] over each subject's keys and values [B,H,t,D], on its rows (`rows_of`).

    Where subjects share a row they are added. One entry of rows for several subjects is one attention
    over the tokens of all.
    """
    if len(rows) == 1 < len(keys):
        keys, values = [torch.cat(list(keys), 2)], [torch.cat(list(values), 2)]
    if background == "query":
        z = q.index_fill(2, torch.cat(list(rows)), 0)
    else:
        z = torch.zeros_like(q)
    for k, v, own in zip(keys, values, rows):
        if len(own):
            z.index_add_(2, own, attend(q.index_select(2, own), k, v))
    return z


def add_image(text: Tensor, image: Tensor, weight: float) -> Tensor:
    """Z = Z_text + weight · Z_image."""
    return text + weight * image
