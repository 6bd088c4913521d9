"""From pixels to cells, and which subjects and background they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..world.kinds import KINDS, SIDE, bitmap
from ..world.palette import CELL, INK, SUBJECTS, nearest
from ..world.places import PLACES, PLAIN, background

ENOUGH = 29  # of a bitmap's 36 cells must be right; two kinds differ in six or more
SHAPES = np.stack([bitmap(kind) for kind in KINDS])


@dataclass(frozen=True)
class Found:
    kind: str
    row: int  # of the top left cell
    column: int
    right: int  # cells of 36 that agree with the bitmap
    cells: np.ndarray  # 6×6 colour indices as drawn; -1 where the bitmap has no body

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.row, self.column, SIDE, SIDE


def read_cells(picture: np.ndarray) -> np.ndarray:
    """H × W × 3 of 0…255 -> (H/8) × (W/8) colour indices, by the middle of each cell."""
    rows, columns = picture.shape[0] // CELL, picture.shape[1] // CELL
    squares = picture[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL, 3)
    return nearest(np.median(squares[:, 2:-2, :, 2:-2].astype(np.float64), axis=(1, 3)))


def labels(cells: np.ndarray) -> np.ndarray:
    """0 background, 1 a subject's colour, 2 ink: what bitmaps say."""
    return np.where(cells == INK, 2, np.where(cells < SUBJECTS, 1, 0))


def find_subjects(cells: np.ndarray, enough: int = ENOUGH) -> list[Found]:
    """The best bitmap anywhere, then the next beside it; left to right in the end."""
    seen = labels(cells)
    windows = np.lib.stride_tricks.sliding_window_view(seen, (SIDE, SIDE))
    right = (windows[None] == SHAPES[:, None, None]).sum((-1, -2))  # kinds × rows × columns
    found = []
    while right.size and right.max() >= enough:
        kind, row, column = np.unravel_index(right.argmax(), right.shape)
        part = cells[row : row + SIDE, column : column + SIDE]
        body = np.where(SHAPES[kind] == 1, part, -1)
        found.append(Found(KINDS[kind], int(row), int(column), int(right.max()), body))
        # whatever overlaps it by more than two rows or columns is the same thing seen again
        top, left = max(0, row - SIDE + 3), max(0, column - SIDE + 3)
        right[:, top : row + SIDE - 2, left : column + SIDE - 2] = 0
    return sorted(found, key=lambda f: (f.column, f.row))


def place_agreement(cells: np.ndarray, place: str) -> np.ndarray:
    """columns × 2: how many cells of each column are as this place has them, and how many count."""
    counted = labels(cells) == 0
    same = (cells == background(place, cells.shape[1], cells.shape[0])) & counted
    return np.stack([same.sum(0), counted.sum(0)], 1)


def find_place(cells: np.ndarray) -> tuple[str, float]:
    """The best background, and the share of the visible cells that agree with it."""
    shares = {}
    for place in (*PLACES, PLAIN):
        same, counted = place_agreement(cells, place).sum(0)
        shares[place] = same / max(counted, 1)
    best = max(shares, key=shares.get)
    return best, float(shares[best])


def is_diptych(cells: np.ndarray) -> bool:
    """Two backgrounds, left and right of some column, explain the picture much better than one."""
    columns = cells.shape[1]
    agreement = np.stack([place_agreement(cells, place) for place in (*PLACES, PLAIN)])  # places × W × 2
    same, counted = agreement[..., 0], agreement[0, :, 1]
    one = same.sum(1).max() / max(counted.sum(), 1)
    left = same.cumsum(1)
    best = 0.0
    for split in range(columns // 4, columns - columns // 4):
        a, b = left[:, split - 1], same.sum(1) - left[:, split - 1]
        best = max(best, (a.max() + b.max()) / max(counted.sum(), 1))
    return bool(best - one >= 0.15)
