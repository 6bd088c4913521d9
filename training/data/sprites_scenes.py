"""True scenes of Sprites with a reference for each subject: what models learn from that were not made by
diptychs, such as UNO (several references) and Kontext (one)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sprites.world.captions import caption, held_out_prompt, names
from sprites.world.crowd import Told, crowd, tell
from sprites.world.palette import picture
from sprites.world.scene import pick_scene, reference

from .example import Example, Reference
from .pair import Source
from .sprites import CORNERS


class SpritesScenes(Source):
    """Row i is a function of the seed and i. What is held out, looks and prompts, is never drawn."""

    name = "scenes of Sprites"
    ready = True

    def __init__(
        self,
        rows: int = 20_000,
        seed: int = 0,
        subjects: Sequence[int] = (1, 2, 3),
        in_order: bool = True,
        same: float = 0.15,
        wide: int = 0,
        crowd: bool = False,
    ) -> None:
        """`subjects`: how many a scene has, each as often. `in_order`: references stand as the prompt names
        them; else by chance. `same`: how often two subjects of a scene are of one kind. `wide`: half of the
        pictures have room for so many subjects beside each other. `crowd`: of the less kind world."""
        if rows < 1 or seed < 0:
            raise ValueError(f"Scenes need rows from 1 and a seed from 0; found {rows} and {seed}.")
        if not subjects or min(subjects) < 1 or max(subjects) > 8:
            raise ValueError(f"subjects are numbers from 1 to 8; found {list(subjects)}.")
        if not 0 <= wide <= 8:
            raise ValueError(f"wide is a number of subjects from 0 to 8; found {wide}.")
        self.rows, self.seed, self.counts = rows, seed, list(subjects)
        self.in_order, self.same, self.wide, self.crowd = in_order, same, wide, crowd

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> Example:
        if not 0 <= row < self.rows:
            raise IndexError(f"Scenes were opened with {self.rows} rows; asked for row {row}.")
        rng = np.random.default_rng((self.seed, row))
        count = self.counts[rng.integers(len(self.counts))]
        slots = max(2, count)
        if self.wide and rng.random() < 0.5:
            slots = max(slots, self.wide)
        pick = crowd if self.crowd else pick_scene
        while held_out_prompt(scene := pick(rng, count, slots, self.same)):
            pass
        kinds = [s.kind for s in scene.subjects]
        told = tell(rng, scene) if self.crowd else Told("", tuple(names(kinds)), tuple(kinds))
        references = [
            Reference(
                picture(reference(s.kind, s.identity, CORNERS[rng.integers(2)], CORNERS[rng.integers(2)])),
                told.names[k],
                told.called[k],
                kinds[:k].count(s.kind),
            )
            for k, s in enumerate(scene.subjects)
        ]
        if not self.in_order:
            references = [references[k] for k in rng.permutation(count)]
        return Example(told.words or caption(rng, scene), tuple(references), picture(scene.cells()))

    def kind(self, row: int) -> str:
        return ""  # its rows are not made into diptychs

    def where(self, row: int) -> str:
        return f"{self.name} of seed {self.seed}, row {row}"
