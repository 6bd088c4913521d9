"""Figures to the paper's table: means, with 95 % intervals by bootstrap over prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .samples import Sample

DRAWS, AT_ONCE = 2000, 100
PARTS = {"single subject": (1,), "several subjects": range(2, 100), "pairs": (2,), "triplets": (3,)}
PAPER = {  # its Table 1: single DINO, CLIP-T, CLIP-I, several DINO, CLIP-T, CLIP-I
    "OminiControl": (0.720, 31.07, 0.804, None, None, None),
    "DSD": (0.752, 31.06, 0.811, None, None, None),
    "OmniGen": (0.765, 31.01, 0.820, 0.691, 33.17, 0.716),
    "MS-Diffusion": (0.735, 31.91, 0.819, 0.678, 34.20, 0.711),
    "MUSAR": (0.774, 30.29, 0.833, 0.704, 33.90, 0.720),
}
COLUMNS = ("DINO", "CLIP-T", "CLIP-I")


@dataclass(frozen=True)
class Mean:
    value: float
    low: float
    high: float
    cases: int
    pictures: int


Scored = Sequence[tuple[Sample, Mapping[str, float | None]]]


def means(scored: Scored, names: Sequence[str]) -> dict[str, dict[str, Mean]]:
    """By part of the table, then by figure; parts and figures without pictures are left out."""
    found: dict[str, dict[str, Mean]] = {}
    for part, sizes in PARTS.items():
        inside = [(s, f) for s, f in scored if len(s.references) in sizes]
        one = {name: mean(inside, name) for name in names}
        if any(one.values()):
            found[part] = {name: m for name, m in one.items() if m}
    return found


def mean(scored: Scored, name: str) -> Mean | None:
    """Of the means over each prompt's seeds."""
    cases: dict[tuple, list[float]] = {}
    for sample, figures in scored:
        if figures[name] is not None:
            cases.setdefault(sample.case, []).append(figures[name])
    if not cases:
        return None
    values = np.array([np.mean(v) for v in cases.values()])
    rng = np.random.default_rng(0)
    drawn = [rng.choice(values, (AT_ONCE, len(values))).mean(1) for _ in range(DRAWS // AT_ONCE)]
    low, high = np.percentile(np.concatenate(drawn), (2.5, 97.5))
    return Mean(float(values.mean()), float(low), float(high), len(values), sum(map(len, cases.values())))


def by_subject(scored: Scored, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over the pictures that each reference is in."""
    seen: dict[str, dict[str, list[float]]] = {}
    for sample, figures in scored:
        for views in sample.references:
            for name in names:
                if figures[name] is not None:
                    seen.setdefault(views[0], {}).setdefault(name, []).append(figures[name])
    return {
        file: {name: float(np.mean(values)) for name, values in figures.items()}
        for file, figures in seen.items()
    }
