"""Pictures that are wrong in one known way, to see that the judge says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..world.identity import Identity
from ..world.places import PLACES
from ..world.scene import Placed, Scene, columns_for, pick_identity, place_subjects

SLOTS = 4
Pair = tuple[Scene, np.ndarray]  # what was asked for, and what was drawn


def asked(rng: np.random.Generator, kinds: list[str]) -> Scene:
    """Two subjects whose colours have nothing in common."""
    while True:
        subjects = place_subjects(rng, kinds, SLOTS, held=None)
        a, b = (s.identity for s in subjects)
        if not {a.first, a.second} & {b.first, b.second}:
            place = list(PLACES)[rng.integers(len(PLACES))]
            return Scene(place, subjects, columns_for(SLOTS))


def right(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    return scene.cells()


def swapped(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Each has the other's looks."""
    a, b = scene.subjects
    return replace(scene, subjects=(replace(a, identity=b.identity), replace(b, identity=a.identity))).cells()


def blended(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Each keeps its pattern and first colour; the second colour is the other's first."""
    a, b = scene.subjects
    return replace(scene, subjects=(_borrow(a, b.identity), _borrow(b, a.identity))).cells()


def _borrow(subject: Placed, other: Identity) -> Placed:
    return replace(subject, identity=replace(subject.identity, second=other.first))


def stranger(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The second has looks that no reference has."""
    a, b = scene.subjects
    used = {a.identity.first, a.identity.second, b.identity.first, b.identity.second}
    while True:
        other = pick_identity(rng, b.kind, held=None)
        if not {other.first, other.second} & used:
            return replace(scene, subjects=(a, replace(b, identity=other))).cells()


def missing(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Only the first is there."""
    return replace(scene, subjects=scene.subjects[:1]).cells()


def moved(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The second stands up where it should stand down, or down."""
    a, b = scene.subjects
    low, high = 8, 2
    return replace(scene, subjects=(a, replace(b, row=low if b.row == high else high))).cells()


def split(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Two panels with different backgrounds."""
    others = [place for place in PLACES if place != scene.place]
    other = replace(scene, place=others[rng.integers(len(others))])
    half = scene.columns // 2
    return np.concatenate([scene.cells()[:, :half], other.cells()[:, half:]], 1)


WAYS: dict[str, Callable[[np.random.Generator, Scene], np.ndarray]] = {
    "right": right,
    "identities swapped": swapped,
    "palettes blended": blended,
    "a stranger's looks": stranger,
    "one subject missing": missing,
    "one subject moved": moved,
    "two panels": split,
}
