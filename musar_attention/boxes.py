"""Where on the canvas a subject may be: in a box, as fractions of the canvas, or where a mask is white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Left, top, right, bottom as fractions of the canvas, so a second pass at another size works."""

    left: float
    top: float
    right: float
    bottom: float


def box_from_pixels(x: float, y: float, width: float, height: float, canvas: tuple[float, float]) -> Box:
    """A box in pixels of a canvas (width, height), clipped to it; ValueError if nothing is left."""
    w, h = canvas
    box = Box(max(0.0, x / w), max(0.0, y / h), min(1.0, (x + width) / w), min(1.0, (y + height) / h))
    if box.left >= box.right or box.top >= box.bottom:
        raise ValueError(
            f"the box at x {x:g}, y {y:g}, {width:g} × {height:g} pixels covers nothing of the "
            f"{w:g} × {h:g} canvas"
        )
    return box


def inside_boxes(boxes: Sequence[Box | None], target: tuple[int, int]) -> Tensor:
    """bool [1,n,c]: which subjects may own a token, by the token's centre; None = anywhere.

    A box that holds no token's centre gets the token under its own centre.
    """
    rows, columns = target
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    allowed = torch.ones(len(boxes), rows, columns, dtype=torch.bool)
    for k, box in enumerate(boxes):
        if box is None:
            continue
        down, across = (y >= box.top) & (y < box.bottom), (x >= box.left) & (x < box.right)
        if not down.any():
            down[min(rows - 1, int((box.top + box.bottom) / 2 * rows))] = True
        if not across.any():
            across[min(columns - 1, int((box.left + box.right) / 2 * columns))] = True
        allowed[k] = down[:, None] & across
    return allowed.flatten(1).T[None]  # c rows columns -> 1 n c


def inside_masks(masks: Sequence[Tensor | None], target: tuple[int, int]) -> Tensor:
    """bool [1,n,c]: likewise for masks [H,W] of 0 … 1, each laid over the whole picture: a token is inside
    where more than half of what it covers is white. A mask that fills no token so gets the fullest.
    """
    allowed = torch.ones(len(masks), target[0] * target[1], dtype=torch.bool)
    for k, mask in enumerate(masks):
        if mask is not None:
            share = _mean_over(mask.float(), target).flatten()
            allowed[k] = share > 0.5 if share.max() > 0.5 else share == share.max()
    return allowed.T[None]  # c n -> 1 n c


def _mean_over(mask: Tensor, target: tuple[int, int]) -> Tensor:
    """[H,W] -> its mean over each token of rows × columns, pixels that lie across an edge counted in part."""
    rows, columns = (_weights(side, count).to(mask) for side, count in zip(mask.shape, target))
    return rows @ mask @ columns.T


def _weights(side: int, count: int) -> Tensor:
    """[count,side]: how much of each of `side` pixels each of `count` equal parts has; rows sum to 1."""
    edges = torch.arange(count + 1, dtype=torch.float64) * side / count
    pixel = torch.arange(side, dtype=torch.float64)
    within = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return within.clamp_min(0) * count / side
