"""How well subjects keep to their boxes: AP50 of what the judge finds, against the places asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sprites.judge import Request, judge
from sprites.judge.read import find_subjects
from sprites.judge.verdict import overlap

from ..judging.score import figures

HALF = 0.5  # intersection over union of a hit
DRAWS = 1000


def measured(cells: np.ndarray, request: Request) -> dict:
    """The figures of every picture, its layout (mean IoU), and each subject found: [cells right, hit]."""
    layout = judge(cells, request).layout
    return figures(cells, request) | {"layout": round(layout, 4), "found": detections(cells, request)}


def detections(cells: np.ndarray, request: Request) -> list[list[int]]:
    """The surest first, each place is found once."""
    free, out = list(zip(request.kinds, request.boxes)), []
    for found in sorted(find_subjects(cells), key=lambda f: -f.right):
        best = max((o for o in free if o[0] == found.kind), key=lambda o: overlap(found, o[1]), default=None)
        hit = best is not None and overlap(found, best[1]) >= HALF
        if hit:
            free.remove(best)
        out.append([found.right, int(hit)])
    return out


def average_precision(found: Sequence[tuple[int, int]], wanted: int) -> float:
    """Area under precision over recall; subjects that are equally sure count together."""
    if not found:
        return 0.0
    sure, hits = np.array(found).T
    levels = np.unique(sure)[::-1]
    right = np.array([hits[sure >= level].sum() for level in levels])
    precision = right / np.array([(sure >= level).sum() for level in levels])
    recall = np.concatenate([[0.0], right / wanted])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best_from_here).sum())


def ap50(pictures: Sequence[Mapping], count: int) -> tuple[float, float, float]:
    """Over all pictures of `count` subjects, with a 95 % interval by bootstrap over prompts."""
    prompts: dict[int, list[Mapping]] = {}
    for picture in pictures:
        prompts.setdefault(picture["case"], []).append(picture)
    groups = list(prompts.values())

    def of(chosen: Sequence[int]) -> float:
        seen = [picture for i in chosen for picture in groups[i]]
        return average_precision([f for p in seen for f in p["found"]], count * len(seen))

    drawn = np.random.default_rng(0).integers(len(groups), size=(DRAWS, len(groups)))
    low, high = np.percentile([of(chosen) for chosen in drawn], (2.5, 97.5))
    return of(range(len(groups))), float(low), float(high)
