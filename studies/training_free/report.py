"""docs/results.md: what each way of routing does to models that were trained without it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from sprites.world.palette import picture
from tools.comfy_server import ROOT
from tools.report import write_section
from tools.sheet import Cell, save_sheet

from ..judging.cases import Case, cases, name_of
from ..judging.score import Artist, figures
from ..judging.table import bootstrap
from ..judging.variant import Variant
from .chart import write_chart
from .drawn import PLACED
from .ways import Way, bend

COMMAND = "make training-free"
PAGE = ROOT / "docs" / "results.md"
SHEET, CHART = "images/training_free.png", "images/identity_by_subjects.svg"

# way: cell: figure: a value a prompt
Scores = Mapping[str, Mapping[str, Mapping[str, Sequence[float | None]]]]


def write_report(judged: Sequence[Variant], settings: Mapping, ways: Mapping[str, Way]) -> None:
    judge = settings["judge"]
    shown = {name: ways[name] for name in judge["shown"]}
    variants = [v for v in judged if not v.repeats]
    names = [name_of(*cell) for cell in judge["cells"]]
    lines = [
        f"{judge['prompts']} prompts with looks never trained on × {judge['seeds']} seeds a cell "
        f"({judge['trial_prompts']} prompts for the ways that were drawn in fewer cells), drawn by the "
        f"trainer's sampler: {judge['steps']} steps, cfg {judge['cfg']:g}. Identity by number of subjects, "
        "with 95 % intervals by bootstrap over prompts; in brackets the leak of what is there, and the "
        "fidelity: how much of what was asked for is there; with boxes, where it was measured, a third: the "
        "mean overlap (IoU) of subjects and boxes. What a way is stands in "
        "[models.yaml](../studies/training_free/models.yaml).",
    ]
    for variant in variants:
        lines += ["", f"### {variant.name}", "", *table(scores_of(variant), names)]
    more, freer = settings["beyond"], settings["freer"]
    cells = [name_of(*cell) for cell in more["cells"]]
    text = f"{more['prompts']} prompts a cell. From six on some looks share a colour."
    lines += beyond(variants, "More subjects", text, more["ways"], cells)
    text = "Prompts that begin as none in training, and references in another order than the words."
    lines += beyond(variants, "Other words", text, freer["ways"], list(freer["cells"]))
    repeated = [v for v in judged if v.repeats]
    if repeated:
        lines += ["", "### From other seeds", "", "Mean identity of each run.", ""]
        lines += other_seeds(variants, repeated, judge["repeated"], names)
    write_section(PAGE, "Models that were never trained for routing", COMMAND, lines)
    chart(judged, judge)
    sheet([v for v in variants if set(shown) <= set(scores_of(v))], judge, shown)


def beyond(
    variants: Sequence[Variant],
    title: str,
    text: str,
    ways: Mapping[str, Sequence[str]],
    cells: Sequence[str],
) -> list[str]:
    """A table of all models, of what is judged so far."""
    scores = {}
    for variant in variants:
        found = scores_of(variant)
        for way in ways.get(variant.name, ()):
            if cells[0] in found.get(way, {}):
                scores[f"{variant.name}: {way}"] = found[way]
    return ["", f"### {title}", "", text, "", *table(scores, cells)] if scores else []


def table(scores: Scores, cells: Sequence[str]) -> list[str]:
    """A row a way."""
    lines = [f"| way | {' | '.join(cells)} |", "|---|" + "---|" * len(cells)]
    for way, found in scores.items():
        shown = [shown_as(found[cell]) if cell in found else "" for cell in cells]
        lines.append(f"| {way} | {' | '.join(shown)} |")
    return lines


def scores_of(variant: Variant) -> Scores:
    return json.loads(variant.scores.read_text())


def other_seeds(
    variants: Sequence[Variant],
    repeated: Sequence[Variant],
    ways_of: Mapping[str, Sequence[str]],
    cells: Sequence[str],
) -> list[str]:
    """A row a model and way: the runs one after another."""
    lines = [f"| model | way | {' | '.join(cells)} |", "|---|---|" + "---|" * len(cells)]
    for variant in variants:
        runs = [variant, *(v for v in repeated if v.repeats == variant.name)]
        ways = ways_of.get(variant.name, ())
        scores = [s for s in map(scores_of, runs) if set(ways) <= set(s)]
        for way in ways if len(scores) > 1 else ():
            means = [" / ".join(f"{np.mean(s[way][c]['identity']):.3f}" for s in scores) for c in cells]
            lines.append(f"| {variant.name} | {way} | {' | '.join(means)} |")
    return lines


def chart(judged: Sequence[Variant], judge: Mapping) -> None:
    """Of every run that was judged so."""
    cells = [name_of(*cell) for cell in judge["cells"] if not cell[1]]
    panels = {}
    for name, (title, *ways) in judge["charted"].items():
        runs = [scores_of(v) for v in judged if name in (v.name, v.repeats)]
        panels[title] = {
            judge["chart"][way]: [
                [float(np.mean(s[way][c]["identity"])) for c in cells] for s in runs if way in s
            ]
            for way in ways
        }
    title = "Sprites: how truly each subject is drawn (identity, 1 is exactly)"
    write_chart(PAGE.parent / CHART, panels, title)


def shown_as(found: Mapping[str, Sequence[float | None]]) -> str:
    mean, low, high = bootstrap(found["identity"])
    leaks = [leak for leak in found["leak"] if leak is not None]
    leak = f"{np.mean(leaks):.3f}" if leaks else "–"
    placed = f"; {np.mean(found[PLACED]):.2f}" if PLACED in found else ""
    return f"{mean:.3f} ({low:.2f}–{high:.2f}) [{leak}; {np.mean(found['fidelity']):.2f}{placed}]"


def sheet(variants: Sequence[Variant], judge: Mapping, ways: Mapping[str, Way]) -> None:
    """A row a model and number of subjects: the first prompt and seed, without routing and with it."""
    asked = [cases(count, same, judge["prompts"])[0] for count, same in judge["cells"] if count > 1]
    rows = [row for v in variants for row in rows_of(v.artist(), asked, ways, f"{v.name}: ")]
    save_sheet(PAGE.parent / SHEET, rows)
    lines = [
        f"The first prompt of each cell, first seed: the references, then {' and '.join(ways)}.",
        "",
        f"![Without routing and with it]({SHEET})",
    ]
    write_section(PAGE, "Seen without training for it", COMMAND, lines)


def rows_of(
    artist: Artist, asked: Sequence[Case], ways: Mapping[str, Way], title: str = ""
) -> list[list[Cell]]:
    """A row a prompt: its references, and the picture of each way from the same noise."""
    drawn = {}
    for name, way in ways.items():
        for i, _, cells in artist.draw(asked, 1, partial(bend, artist.model, way, artist.steps)):
            drawn[name, i] = cells
    rows: list[list[Cell]] = []
    for i, case in enumerate(asked):
        references = np.concatenate([r.image for r in case.example.references], 1)
        row: list[Cell] = [(f"{title}{case.words}", references)]
        for name in ways:
            identity = figures(drawn[name, i], case.request)["identity"]
            row.append((f"{name}: identity {identity:.0%}", picture(drawn[name, i], 6)))
        rows.append(row)
    return rows
