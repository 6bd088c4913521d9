"""Pictures of one way of drawing, judged: a value a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sprites.judge import judge

from ..judging.cases import Case
from ..judging.score import Artist, figures
from .ways import Way, bend

KEPT = ("identity", "leak", "fidelity")
PLACED = "placed"  # mean IoU with the boxes, where there are any


def drawn(
    artist: Artist, way: Way, asked: Mapping[str, Sequence[Case]], seeds: int
) -> dict[str, dict[str, list]]:
    """Cell: figure: a value a prompt, the mean over its seeds."""
    found, trained = {}, artist.model.wiring
    kept = (*KEPT, PLACED) if way.boxes else KEPT
    for cell, prompts in asked.items():
        pictures: list[list[dict]] = [[] for _ in prompts]
        for i, _, cells in artist.draw(prompts, seeds, partial(bend, artist.model, way, artist.steps)):
            place = {PLACED: in_boxes(cells, prompts[i])} if way.boxes else {}
            pictures[i].append(figures(cells, prompts[i].request) | place)
        found[cell] = {f: [mean(p, f) for p in pictures] for f in kept}
    artist.model.wiring = trained
    return found


def in_boxes(cells: np.ndarray, case: Case) -> float:
    request = replace(case.request, boxes=[subject.box for subject in case.scene.subjects])
    return judge(cells, request).layout


def missing(
    scores: Mapping[str, Mapping], every: Mapping[str, Mapping[str, Sequence[Case]]]
) -> dict[str, dict[str, Sequence[Case]]]:
    """Of what is asked of each way, the cells that are not judged yet."""
    left = {
        name: {cell: prompts for cell, prompts in asked.items() if cell not in scores.get(name, {})}
        for name, asked in every.items()
    }
    return {name: asked for name, asked in left.items() if asked}


def scores_in(file: Path) -> dict:
    return json.loads(file.read_text()) if file.exists() else {}


def judge_each(file: Path, left: Iterable[str], draw: Callable[[str], dict[str, dict[str, list]]]) -> None:
    """Each of these ways, as `draw` draws it; it is kept in the file as soon as it is done."""
    scores = scores_in(file)
    for name in tqdm(list(left), f"judging {file.stem}"):
        found = draw(name)
        scores[name] = scores.get(name, {}) | found
        file.write_text(as_json(scores))
        print(name, {cell: round(float(np.mean(f["identity"])), 3) for cell, f in found.items()})


def mean(pictures: list[dict], figure: str) -> float | None:
    values = [p[figure] for p in pictures if p[figure] is not None]
    return round(float(np.mean(values)), 4) if values else None


def as_json(scores: Mapping) -> str:
    """A line a figure."""
    lists = re.compile(r"\[[^\[\]{}]*\]")
    return lists.sub(lambda m: json.dumps(json.loads(m[0])), json.dumps(scores, indent=1)) + "\n"
