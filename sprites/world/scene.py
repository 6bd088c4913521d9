"""A picture of which everything is known: who is in it, where, how it looks, and the words for it.

Subjects stand left to right as the words name them, each in a slot: slots are 6×6 cells, two rows
of them and two to five across, and a subject never stands above another. Slots lie on the 2×2-cell
grid of FLUX's patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .identity import Identity, all_identities, held_out, sprite
from .kinds import KINDS, SIDE
from .places import PLACES, PLAIN, ROWS, background

PATCH = 2  # cells a token
REFERENCE = 8  # cells, both ways
PANEL = 2  # slots across a single subject's picture
EVERY = all_identities()


@dataclass(frozen=True)
class Placed:
    kind: str
    identity: Identity
    row: int  # of the top left cell
    column: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """row, column, rows, columns: in cells."""
        return self.row, self.column, SIDE, SIDE

    def mask(self, rows: int, columns: int) -> np.ndarray:
        inside = np.zeros((rows, columns), bool)
        inside[self.row : self.row + SIDE, self.column : self.column + SIDE] = (
            sprite(self.kind, self.identity) >= 0
        )
        return inside


@dataclass(frozen=True)
class Scene:
    place: str
    subjects: tuple[Placed, ...]
    columns: int
    rows: int = ROWS

    def cells(self) -> np.ndarray:
        """rows × columns of colour indices."""
        grid = background(self.place, self.columns, self.rows)
        for subject in self.subjects:
            draw(grid, subject)
        return grid

    def parts(self) -> np.ndarray:
        """token rows × columns: which part of which kind each token shows; 0 is background."""
        truth = np.zeros((self.rows // PATCH, self.columns // PATCH), np.int64)
        side = SIDE // PATCH
        for s in self.subjects:
            row, column = s.row // PATCH, s.column // PATCH
            first = 1 + KINDS.index(s.kind) * side**2
            truth[row : row + side, column : column + side] = first + np.arange(side**2).reshape(side, side)
        return truth


PARTS = 1 + len(KINDS) * (SIDE // PATCH) ** 2


def draw(grid: np.ndarray, subject: Placed) -> None:
    look = sprite(subject.kind, subject.identity)
    part = grid[subject.row : subject.row + SIDE, subject.column : subject.column + SIDE]
    part[look >= 0] = look[look >= 0]


def reference(kind: str, identity: Identity, row: int = 0, column: int = 0, place: str = PLAIN) -> np.ndarray:
    """8×8 cells: the subject on plain paper, or at a place; its box's corner at row, column (0 or 2)."""
    middle = (ROWS - REFERENCE) // 2
    grid = background(place, REFERENCE)[middle : middle + REFERENCE].copy()
    draw(grid, Placed(kind, identity, row, column))
    return grid


def pick_identity(rng: np.random.Generator, kind: str, held: bool | None = False) -> Identity:
    """Of those seen in training, of those held out, or (None) of all."""
    while True:
        identity = EVERY[rng.integers(len(EVERY))]
        if held is None or held_out(kind, identity) == held:
            return identity


def pick_kinds(rng: np.random.Generator, count: int, same: float = 0.15) -> list[str]:
    """Different kinds, but with chance `same` two of them are one."""
    kinds = [KINDS[i] for i in rng.choice(len(KINDS), count, replace=False)]
    if count > 1 and rng.random() < same:
        a, b = rng.choice(count, 2, replace=False)
        kinds[a] = kinds[b]
    return kinds


def columns_for(slots: int) -> int:
    """Cells of a canvas with so many slots across, and a token's width to spare on both sides."""
    return SIDE * slots + 2 * PATCH


def place_subjects(
    rng: np.random.Generator, kinds: list[str], slots: int, held: bool | None = False
) -> tuple[Placed, ...]:
    """Each in a slot's column of its own, up or down by chance."""
    if len(kinds) > slots:
        raise ValueError(f"{len(kinds)} subjects do not stand side by side in {slots} slots.")
    chosen = np.sort(rng.choice(slots, len(kinds), replace=False))
    return tuple(
        Placed(
            kind,
            pick_identity(rng, kind, held),
            PATCH + SIDE * int(rng.integers(2)),
            PATCH + SIDE * int(slot),
        )
        for kind, slot in zip(kinds, chosen)
    )


def pick_scene(rng: np.random.Generator, count: int, slots: int, same: float = 0.15) -> Scene:
    place = list(PLACES)[rng.integers(len(PLACES))]
    return Scene(place, place_subjects(rng, pick_kinds(rng, count, same), slots), columns_for(slots))
