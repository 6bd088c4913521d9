"""How well the judge judges: rendered truth, VAE round trips, pictures wrong in a known way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..world.crowd import crowd
from ..world.kinds import KINDS
from ..world.palette import picture
from ..world.scene import Scene, pick_scene
from .read import read_cells
from .verdict import Request, Verdict, judge
from .wrong import WAYS, asked

View = Callable[[np.ndarray], np.ndarray]  # a picture as the judge gets to see it


def as_rendered(pixels: np.ndarray) -> np.ndarray:
    return pixels


@dataclass(frozen=True)
class Reading:
    """Shares over many pictures of one to five subjects."""

    kinds: float  # subjects found as what they are
    positions: float  # found exactly where they are
    identities: float  # read as they are, against the other 593
    places: float
    diptychs: float  # should be 0
    extra: float  # subjects a picture that are not there


def read_truth(pictures: int, seed: int = 0, view: View = as_rendered, crowds: bool = False) -> Reading:
    """Of one to five subjects side by side, or of one to eight anywhere."""
    rng = np.random.default_rng(seed)
    found, boxes, matched, places, diptychs, extra = [], [], [], [], [], []
    for i in range(pictures):
        count = 1 + i % (8 if crowds else 5)
        scene = (crowd if crowds else pick_scene)(rng, count, max(2, count))
        verdict = judge(read_cells(view(picture(scene.cells()))), request_of(scene, crowds))
        found += [f is not None for f in verdict.found]
        boxes += [f is not None and f.box == s.box for f, s in zip(verdict.found, scene.subjects)]
        matched += verdict.matched
        places.append(verdict.place == scene.place)
        diptychs.append(verdict.diptych)
        extra.append(verdict.extra)
    return Reading(*(float(np.mean(x)) for x in (found, boxes, matched, places, diptychs, extra)))


def request_of(scene: Scene, covering: bool = False) -> Request:
    subjects = scene.subjects
    return Request(
        [s.kind for s in subjects],
        scene.place,
        [s.identity for s in subjects],
        [s.box for s in subjects],
        covering,
    )


def judge_wrong(
    way: str, pictures: int, seed: int = 0, view: View = as_rendered, same: bool = False
) -> list[Verdict]:
    """Two subjects, of one kind if `same`, drawn wrong in that way."""
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(pictures):
        kinds = [KINDS[i] for i in rng.choice(len(KINDS), 2, replace=False)]
        scene = asked(rng, [kinds[0]] * 2 if same else kinds)
        pixels = picture(WAYS[way](rng, scene))
        verdicts.append(judge(read_cells(view(pixels)), request_of(scene)))
    return verdicts
