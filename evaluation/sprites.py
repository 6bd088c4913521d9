"""The judge of Sprites as figures: it reads looks from the references and the place from the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sprites.judge import Request, judge, read_cells
from sprites.judge.read import find_subjects
from sprites.world.identity import Identity, all_identities, sprite
from sprites.world.places import PLACES
from tools.table import Wrong

from .samples import Sample, pixels


class SpritesJudge:
    names = ("identity", "leak", "fidelity")
    told = "identity, leak, fidelity: the judge of Sprites"

    def judge(self, samples: Sequence[Sample]) -> list[dict[str, float | None]]:
        return [_figures(sample) for sample in samples]


def _figures(sample: Sample) -> dict[str, float | None]:
    looks = [read_look(views[0]) for views in sample.references]
    place = next((place for place in PLACES if place in sample.prompt), "")
    request = Request([kind for kind, _ in looks], place, [identity for _, identity in looks])
    verdict = judge(read_cells(pixels(sample.file)), request)
    leaks = [leak for leak, found in zip(verdict.leak, verdict.found) if found]
    return {
        "identity": float(np.mean(verdict.identity)),
        "leak": float(np.mean(leaks)) if leaks else None,
        "fidelity": verdict.fidelity,
    }


@lru_cache(10_000)
def read_look(file: str) -> tuple[str, Identity]:
    """Kind and looks of the one subject of a reference."""
    found = find_subjects(read_cells(pixels(file)))
    if len(found) != 1:
        raise Wrong(f"{file} shows {len(found)} subjects of Sprites; a reference shows one.")
    (only,) = found
    body = only.cells >= 0
    fits = [i for i in all_identities() if (sprite(only.kind, i)[body] == only.cells[body]).all()]
    if not fits:
        raise Wrong(f"{file} shows a {only.kind} that is in no looks of Sprites.")
    return only.kind, fits[0]
