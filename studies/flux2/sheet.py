"""What routing by attention changes, to look at: the first prompts on which it was not chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sprites.world.palette import picture
from tools.sheet import Cell, save_sheet

from ..judging.cases import Case
from ..judging.score import Artist, figures
from ..training_free.ways import Way, bend


def draw_sheet(artist: Artist, asked: Sequence[Case], ways: Mapping[str, Way], file: Path) -> None:
    """A row a prompt: its references, and the picture of each way from the same noise."""
    drawn = {}
    for name, way in ways.items():
        for i, _, cells in artist.draw(asked, 1, partial(bend, artist.model, way, artist.steps)):
            drawn[name, i] = cells
    rows: list[list[Cell]] = []
    for i, case in enumerate(asked):
        references = np.concatenate([r.image for r in case.example.references], 1)
        row: list[Cell] = [(case.words, references)]
        for name in ways:
            identity = figures(drawn[name, i], case.request)["identity"]
            row.append((f"{name}: identity {identity:.0%}", picture(drawn[name, i], 6)))
        rows.append(row)
    save_sheet(file, rows)
