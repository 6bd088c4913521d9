"""Pairs of Sprites, drawn as they are asked for: no file is read.

What is held out there, looks and prompts,
is never drawn.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sprites.world.captions import a, caption, held_out_prompt
from sprites.world.crowd import place_anywhere, tell
from sprites.world.kinds import KINDS
from sprites.world.palette import picture
from sprites.world.places import PLACES
from sprites.world.scene import PANEL, PATCH, Placed, Scene, columns_for, place_subjects, reference

from .pair import Pair, Source

CORNERS = (0, PATCH)  # of a subject's box in its reference, both ways


class Sprites(Source):
    """Row i is a function of the seed and i."""

    name = "Sprites"

    def __init__(self, rows: int = 20_000, seed: int = 0, crowd: bool = False) -> None:
        """`crowd`: of the less kind world, where the subject stands anywhere and words are freer."""
        if rows < 1 or seed < 0:
            raise ValueError(f"Sprites need rows from 1 and a seed from 0; found {rows} and {seed}.")
        self.rows, self.seed, self.crowd = rows, seed, crowd

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> Pair:
        rng, subject = self._draw(row)
        corner = (CORNERS[rng.integers(2)], CORNERS[rng.integers(2)])
        shown = reference(subject.kind, subject.identity, *corner)
        scenes = [Scene(place, (subject,), columns_for(PANEL)) for place in PLACES]
        allowed = [scene for scene in scenes if not held_out_prompt(scene)]
        scene = allowed[rng.integers(len(allowed))]
        if self.crowd:
            told = tell(rng, scene)
            return Pair(picture(shown), picture(scene.cells()), told.names[0], told.words, told.called[0])
        words = caption(rng, scene)
        return Pair(picture(shown), picture(scene.cells()), a(subject.kind), words, subject.kind)

    def kind(self, row: int) -> str:
        return self._subjects[row][0]

    def subject(self, row: int) -> tuple[str, str]:
        return self._subjects[row]

    def where(self, row: int) -> str:
        return f"{self.name} of seed {self.seed}, row {row}"

    def _draw(self, row: int) -> tuple[np.random.Generator, Placed]:
        if not 0 <= row < self.rows:
            raise IndexError(f"Sprites were opened with {self.rows} rows; asked for row {row}.")
        rng = np.random.default_rng((self.seed, row))
        kind = KINDS[rng.integers(len(KINDS))]
        (subject,) = (place_anywhere if self.crowd else place_subjects)(rng, [kind], PANEL)
        return rng, subject

    @cached_property
    def _subjects(self) -> list[tuple[str, str]]:
        """Kind and look of every row."""
        drawn = (self._draw(row)[1] for row in range(self.rows))
        return [(subject.kind, str(subject.identity)) for subject in drawn]
