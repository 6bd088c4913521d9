"""What the base model is trained on: scenes and, now and then, two pictures side by side.

FLUX knows that two images can share one canvas, and that they can show the same thing twice; the
small base learns it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sprites.world.captions import caption, held_out_prompt
from sprites.world.crowd import crowd, tell
from sprites.world.places import PLACES, PLAIN
from sprites.world.scene import PANEL, Placed, Scene, columns_for, pick_kinds, pick_scene, place_subjects
from training.data.diptych import two_columns


@dataclass(frozen=True)
class Sample:
    cells: np.ndarray
    parts: np.ndarray  # as Scene.parts has them
    caption: str


def scenes(
    rng: np.random.Generator,
    slots: int,
    counts: list[int],
    same: float = 0.15,
) -> Iterator[Sample]:
    while True:
        scene = pick_scene(rng, counts[rng.integers(len(counts))], slots, same)
        if not held_out_prompt(scene):
            yield Sample(scene.cells(), scene.parts(), caption(rng, scene))


def diptychs(rng: np.random.Generator, same: float = 0.5) -> Iterator[Sample]:
    """Two single-subject panels; with chance `same` the right one shows the left one's subject."""
    while True:
        left = pick_panel(rng)
        (subject,) = left.subjects
        if rng.random() < same:
            moved = place_subjects(rng, [subject.kind], PANEL)[0]
            again = Placed(subject.kind, subject.identity, moved.row, moved.column)
            right = Scene(pick_place(rng), (again,), columns_for(PANEL))
            words = caption(rng, right).replace(f"a {subject.kind}", f"the same {subject.kind}")
        else:
            right = pick_panel(rng)
            words = caption(rng, right)
            if right.subjects[0].kind == subject.kind:
                words = words.replace(f"a {subject.kind}", f"another {subject.kind}")
        cells = np.concatenate([left.cells(), right.cells()], 1)
        parts = np.concatenate([left.parts(), right.parts()], 1)
        yield Sample(cells, parts, two_columns(caption(rng, left), words))


def pick_panel(rng: np.random.Generator) -> Scene:
    subject = place_subjects(rng, pick_kinds(rng, 1), PANEL)
    return Scene(pick_place(rng), subject, columns_for(PANEL))


def pick_place(rng: np.random.Generator) -> str:
    every = (*PLACES, PLAIN)
    return every[rng.integers(len(every))]


def crowds(rng: np.random.Generator, slots: int, counts: list[int]) -> Iterator[Sample]:
    while True:
        scene = crowd(rng, counts[rng.integers(len(counts))], slots)
        if not held_out_prompt(scene):
            yield Sample(scene.cells(), scene.parts(), tell(rng, scene).words)


def crowd_diptychs(rng: np.random.Generator, same: float = 0.5) -> Iterator[Sample]:
    """As `diptychs`, with subjects that stand anywhere in their panels."""
    while True:
        left, right = (replace(crowd(rng, 1, PANEL), place=pick_place(rng)) for _ in range(2))
        (one,), (other,) = left.subjects, right.subjects
        first = tell(rng, left)
        if again := rng.random() < same:
            right = replace(right, subjects=(replace(other, kind=one.kind, identity=one.identity),))
        second = tell(rng, right)
        words = second.words
        if again or other.kind == one.kind:
            which = "the same" if again else "another"
            words = words.replace(second.names[0], f"{which} {second.called[0]}")
        cells = np.concatenate([left.cells(), right.cells()], 1)
        parts = np.concatenate([left.parts(), right.parts()], 1)
        yield Sample(cells, parts, two_columns(first.words, words))
