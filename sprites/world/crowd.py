"""A less kind world: up to eight subjects stand anywhere, touch, and cover one another in part.

The words are freer too: kinds go by two words now and then, sentences begin in many ways. What stays
is the grid of FLUX's patches, and that words name subjects from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .captions import PAIRS, a
from .kinds import SIDE
from .places import PLACES, ROWS
from .scene import PATCH, Placed, Scene, columns_for, pick_identity, pick_kinds

TWO_WORDS = {
    "ball": "beach ball",
    "star": "paper star",
    "house": "wooden house",
    "fish": "rubber fish",
    "robot": "tin robot",
    "tree": "paper tree",
    "cat": "tabby cat",
    "boat": "wooden boat",
    "heart": "candy heart",
    "ghost": "shy ghost",
    "duck": "rubber duck",
    "car": "tin car",
}
OPENINGS = ("", "", "", "a painting of ", "a drawing of ", "an image of ", "a picture with ", "we see ")
HELD_OUT_OPENING = "a photo of "  # never trained on
WHOLES = ("{opening}{who} {where}", "{opening}{who}, {where}", "{where}, {opening}{who}")
COVERED = SIDE * SIDE // 3  # cells that two boxes may have in common
SEEN = 0.6  # of a subject's cells, at least
ALONE = 0.5  # of all scenes: nobody covers anybody
TRIES = 200


@dataclass(frozen=True)
class Told:
    words: str
    names: tuple[str, ...]  # as the words have them: "a robot", "another tin robot"
    called: tuple[str, ...]  # the same without an article


def tell(rng: np.random.Generator, scene: Scene, opening: str | None = None) -> Told:
    """A caption, with an opening by chance or this one."""
    kinds = [s.kind for s in scene.subjects]
    one_or_two = {kind: TWO_WORDS[kind] if rng.random() < 0.3 else kind for kind in kinds}
    called = [one_or_two[kind] for kind in kinds]
    names = [f"another {c}" if c in called[:i] else a(c) for i, c in enumerate(called)]
    *most, last = names
    if len(most) == 1:
        who = PAIRS[rng.integers(len(PAIRS))].format(most[0], last)
    else:
        who = f"{', '.join(most)} and {last}" if most else last
    if opening is None:
        opening = OPENINGS[rng.integers(len(OPENINGS))]
    words = WHOLES[rng.integers(len(WHOLES))].format(opening=opening, who=who, where=scene.place)
    return Told(words, tuple(names), tuple(called))


def crowd(
    rng: np.random.Generator, count: int, slots: int, same: float = 0.15, held: bool | None = False
) -> Scene:
    """So many subjects anywhere on a canvas as wide as `slots` subjects beside each other need."""
    subjects = place_anywhere(rng, pick_kinds(rng, count, same), slots, held)
    scene = Scene(list(PLACES)[rng.integers(len(PLACES))], subjects, columns_for(slots))
    if min(visible(scene)) < SEEN:
        return crowd(rng, count, slots, same, held)
    return scene


def place_anywhere(
    rng: np.random.Generator, kinds: list[str], slots: int, held: bool | None = False
) -> tuple[Placed, ...]:
    common = 0 if rng.random() < ALONE else COVERED
    while (corners := _corners(rng, len(kinds), columns_for(slots), common)) is None:
        pass
    return tuple(
        Placed(kind, pick_identity(rng, kind, held), row, column)
        for kind, (column, row) in zip(kinds, sorted(corners))
    )


def _corners(rng: np.random.Generator, count: int, columns: int, common: int) -> list[tuple[int, int]] | None:
    """Column and row of each, no two boxes sharing more than `common` cells; None: no room was found."""
    found: list[tuple[int, int]] = []
    for _ in range(TRIES):
        column = PATCH * int(rng.integers((columns - SIDE) // PATCH + 1))
        row = PATCH * int(rng.integers((ROWS - SIDE) // PATCH + 1))
        if all(max(0, SIDE - abs(column - c)) * max(0, SIDE - abs(row - r)) <= common for c, r in found):
            found.append((column, row))
            if len(found) == count:
                return found
    return None


def visible(scene: Scene) -> list[float]:
    """Of each subject's cells, how many no later one covers."""
    masks = [s.mask(scene.rows, scene.columns) for s in scene.subjects]
    shares = []
    for i, mask in enumerate(masks):
        later = np.any(masks[i + 1 :], axis=0) if masks[i + 1 :] else np.zeros_like(mask)
        shares.append(float((mask & ~later).sum() / mask.sum()))
    return shares
