"""Subjects that cover one another: who is whole is found first, others by what is left of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..world.kinds import KINDS, SIDE, bitmap
from .read import ENOUGH, SHAPES, Found, labels

VISIBLE = 20  # cells of a bitmap's 36, at least
RIGHT = ENOUGH / SIDE**2  # of what is visible
HIDDEN = -2  # in Found.cells: a body's cell on which something else lies too


def find_covered(cells: np.ndarray) -> list[Found]:
    """As find_subjects, for scenes whose subjects may lie on one another; left to right."""
    seen = np.lib.stride_tricks.sliding_window_view(labels(cells), (SIDE, SIDE))
    hits = seen[None] == SHAPES[:, None, None]  # kinds × rows × columns × 6 × 6
    covered = np.zeros(cells.shape, bool)
    allowed = np.ones(hits.shape[:3], bool)
    found: list[Found] = []
    while True:
        free = ~np.lib.stride_tricks.sliding_window_view(covered, (SIDE, SIDE))
        visible = free.sum((-1, -2))
        right = (hits & free[None]).sum((-1, -2))
        share = np.where(allowed & (visible >= VISIBLE)[None], right / np.maximum(visible, 1)[None], 0)
        # of two that fit as well, the one of which more is seen
        kind, row, column = np.unravel_index((share + right / 1000).argmax(), share.shape)
        if share[kind, row, column] < RIGHT:
            return sorted(_shared_hidden(found), key=lambda f: (f.column, f.row))
        window = np.s_[row : row + SIDE, column : column + SIDE]
        body = np.where(SHAPES[kind] == 1, cells[window], -1)
        found.append(Found(KINDS[kind], int(row), int(column), int(right[kind, row, column]), body))
        covered[window] |= bitmap(KINDS[kind]) > 0
        # whatever overlaps it by more than two rows or columns is the same thing seen again
        near = np.s_[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        allowed[(slice(None), *near)] = False


def _shared_hidden(found: list[Found]) -> list[Found]:
    """What lies on two subjects is nobody's: shapes alone do not tell which of them is in front."""
    out = []
    for f in found:
        cells = f.cells
        for other in found:
            if other is not f:
                rows = np.arange(SIDE)[:, None] + f.row - other.row
                columns = np.arange(SIDE)[None] + f.column - other.column
                inside = (0 <= rows) & (rows < SIDE) & (0 <= columns) & (columns < SIDE)
                there = bitmap(other.kind)[rows.clip(0, SIDE - 1), columns.clip(0, SIDE - 1)] > 0
                cells = np.where(inside & there & (cells >= 0), HIDDEN, cells)
        out.append(replace(f, cells=cells))
    return out
