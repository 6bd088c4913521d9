"""Diptychs on request: a variant that draws none unasked could still draw them, and the judge see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sprites.judge import read_cells
from sprites.judge.read import is_diptych
from training.data.example import Example
from training.train import open_feeds

from ..judging.variant import Variant

STAGE = 1  # of the config: diptychs of different kinds
ASKED = 48


@dataclass(frozen=True)
class Asked:
    example: Example


def table(variants: Sequence[Variant]) -> list[str]:
    """Every variant draws diptychs of the first one's training, as they were described to it."""
    feed = open_feeds(variants[0].config)[STAGE]
    asked: list[Asked] = []
    number = 0
    while len(asked) < ASKED:
        if is_diptych(read_cells(feed[number].target)):
            asked.append(Asked(feed[number]))
        number += 1
    lines = ["| variant | diptychs |", "|---|---|"]
    for variant in variants:
        drawn = [is_diptych(cells) for _, _, cells in variant.artist().draw(asked, 1)]
        lines.append(f"| {variant.name} | {np.mean(drawn):.0%} |")
    return lines
