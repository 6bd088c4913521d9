"""What is asked of every variant: prompts and looks that no training has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from musar_attention import Box
from sprites.judge import Request
from sprites.world.captions import caption, held_out_prompt, names
from sprites.world.kinds import SIDE
from sprites.world.palette import SUBJECTS, picture
from sprites.world.places import PLACES
from sprites.world.scene import Placed, Scene, columns_for, pick_kinds, place_subjects, reference
from training.data.example import Example, Reference

CELLS = ((1, False), (2, False), (3, False), (4, False), (2, True), (3, True), (4, True))


@dataclass(frozen=True)
class Case:
    """The scene's places are one solution of many: only its words and looks are asked for."""

    words: str
    scene: Scene
    busy: bool = field(default=False, kw_only=True)  # references at other places than the scene's
    another_in_phrase: bool = field(default=False, kw_only=True)
    order: tuple[int, ...] = field(default=(), kw_only=True)  # of the references; none: the prompt's

    def ordered(self, things: Sequence) -> list:
        return [things[k] for k in self.order or range(len(things))]

    @property
    def example(self) -> Example:
        kinds = [s.kind for s in self.scene.subjects]
        references = tuple(
            Reference(picture(self._shown(k)), name, *self._phrase(k, name))
            for k, name in enumerate(names(kinds))
        )
        return Example(self.words, tuple(self.ordered(references)), self.empty)

    def _phrase(self, k: int, name: str) -> tuple[str, int]:
        """The phrase, and which of its occurrences in the prompt."""
        kinds = [s.kind for s in self.scene.subjects]
        before = kinds[:k].count(kinds[k])
        return (name, before - 1) if before and self.another_in_phrase else (kinds[k], before)

    def _shown(self, k: int) -> np.ndarray:
        subject = self.scene.subjects[k]
        if not self.busy:
            return reference(subject.kind, subject.identity)
        others = [place for place in PLACES if place != self.scene.place]
        return reference(subject.kind, subject.identity, place=others[(len(self.words) + k) % len(others)])

    @property
    def empty(self) -> np.ndarray:
        """A picture whose size counts."""
        return np.zeros_like(picture(self.scene.cells()))

    @property
    def boxes(self) -> list[Box]:
        """Where the scene has its subjects, in the references' order."""
        width, height = self.scene.columns, self.scene.rows
        corners = [(s.column, s.row, s.column + SIDE, s.row + SIDE) for s in self.scene.subjects]
        boxes = [Box(x / width, y / height, r / width, b / height) for x, y, r, b in corners]
        return self.ordered(boxes)

    @property
    def request(self) -> Request:
        subjects = self.scene.subjects
        return Request([s.kind for s in subjects], self.scene.place, [s.identity for s in subjects])


def name_of(count: int, same: bool, alike: bool = False) -> str:
    return f"{count}{', two of a kind' if same else ''}{', shared colours' if alike else ''}"


def cases(
    count: int,
    same: bool,
    prompts: int,
    busy: bool = False,
    another_in_phrase: bool = False,
    alike: bool = False,
    opening: str = "",
    shuffled: bool = False,
) -> list[Case]:
    """`same`: two of the subjects are of one kind. `busy`: references have backgrounds. No two references
    share a colour, as long as there are colours to spare: of six subjects and more, no two are in the same
    two colours. `alike`: each shares just one with another."""
    rng, chosen = np.random.default_rng((count, same)), []
    wanted = related if alike else told_apart
    while len(chosen) < prompts:
        slots = max(2, count)
        subjects = place_subjects(rng, pick_kinds(rng, count, float(same)), slots, held=True)
        scene = Scene(list(PLACES)[rng.integers(len(PLACES))], subjects, columns_for(slots))
        if held_out_prompt(scene) and wanted(subjects):
            order = another_order(len(chosen), count) if shuffled else ()
            case = Case(opening + caption(rng, scene), scene, busy=busy, order=order)
            chosen.append(replace(case, another_in_phrase=another_in_phrase))
    return chosen


def another_order(number: int, count: int) -> tuple[int, ...]:
    """By chance, but not the same; of one there is no other."""
    order = tuple(np.random.default_rng((number, count, 78)).permutation(count).tolist())
    return order if order != tuple(range(count)) else order[::-1]


def told_apart(subjects: Sequence[Placed]) -> bool:
    pairs = [frozenset((s.identity.first, s.identity.second)) for s in subjects]
    if 2 * len(pairs) >= SUBJECTS:  # chance takes minutes to give six all of them
        return len(set(pairs)) == len(pairs)
    return len(frozenset().union(*pairs)) == 2 * len(pairs)


def related(subjects: Sequence[Placed]) -> bool:
    pairs = [{s.identity.first, s.identity.second} for s in subjects]
    shared = [[len(a & b) for b in pairs if b is not a] for a in pairs]
    return all(max(with_others) == 1 for with_others in shared)
