"""Scores to a table: means, with 95 % intervals by bootstrap over prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .cases import CELLS, name_of

SHOWN = {  # figure: what the table calls it; the arrow points to the better
    "identity": "identity ↑",
    "leak": "leak ↓",
    "fidelity": "fidelity ↑",
    "diptych": "diptych ↓",
}
DRAWS = 2000

Scores = Mapping[str, Sequence[Mapping]]  # cell: its pictures' figures


def interval(pictures: Sequence[Mapping], figure: str) -> tuple[float, float, float] | None:
    """Mean, low and high; None where no picture has the figure."""
    means = list(by_prompt(pictures, figure).values())
    return bootstrap(means) if means else None


def by_prompt(pictures: Sequence[Mapping], figure: str) -> dict[int, float]:
    """The mean over a prompt's seeds."""
    prompts: dict[int, list[float]] = {}
    for picture in pictures:
        if picture[figure] is not None:
            prompts.setdefault(picture["case"], []).append(picture[figure])
    return {case: float(np.mean(values)) for case, values in prompts.items()}


def bootstrap(values: Sequence[float]) -> tuple[float, float, float]:
    drawn = np.random.default_rng(0).choice(np.array(values), (DRAWS, len(values))).mean(1)
    return float(np.mean(values)), *map(float, np.percentile(drawn, (2.5, 97.5)))


def table(scores: Mapping[str, Scores]) -> list[str]:
    """Of every variant: a row a cell and variant."""
    lines = [
        "| subjects | variant | " + " | ".join(SHOWN.values()) + " |",
        "|---|---|" + "---|" * len(SHOWN),
    ]
    for count, same in CELLS:
        cell = name_of(count, same)
        for variant, cells in scores.items():
            values = [interval(cells[cell], figure) for figure in SHOWN]
            shown = ["–" if v is None else f"{v[0]:.3f} ({v[1]:.3f}–{v[2]:.3f})" for v in values]
            lines.append(f"| {cell} | {variant} | " + " | ".join(shown) + " |")
    return lines


def differences(scores: Mapping[str, Scores]) -> list[str]:
    """The first variant minus each other one on the same prompts, all cells with several subjects."""
    (full, own), *others = scores.items()
    lines = [
        f"{full} minus each other variant, on the same prompts of all cells with two and more subjects; 95 % "
        "intervals by bootstrap over prompts.",
        "",
        "| minus | " + " | ".join(SHOWN.values()) + " |",
        "|---|" + "---|" * len(SHOWN),
    ]
    for variant, cells in others:
        values = [bootstrap(_paired(own, cells, figure)) for figure in SHOWN]
        shown = " | ".join(f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" for mean, low, high in values)
        lines.append(f"| {variant} | {shown} |")
    return lines


def _paired(own: Scores, other: Scores, figure: str) -> list[float]:
    """Of every prompt that has the figure in both."""
    values = []
    for cell in (name_of(*cell) for cell in CELLS if cell[0] > 1):
        a, b = by_prompt(own[cell], figure), by_prompt(other[cell], figure)
        values += [a[case] - b[case] for case in a if case in b]
    return values
