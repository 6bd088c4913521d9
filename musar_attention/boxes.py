"""Where on the canvas a subject may be, as fractions of it."""

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
