"""docs/results.md: the table, the differences, and a sheet like the paper's Figure 8."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from sprites.world.palette import picture
from tools.comfy_server import ROOT
from tools.report import write_section
from tools.sheet import Cell, save_sheet

from ..judging.cases import CELLS, Case, cases, name_of
from ..judging.score import figures
from ..judging.table import Scores, differences, interval, table
from ..judging.variant import Variant
from . import owners, panels
from .variants import SETTINGS

COMMAND = "make ablation"
PAGE = ROOT / "docs" / "results.md"
SHEET = "images/ablation.png"
OWNED = 10  # pictures a cell
ROWS = [cell for cell in CELLS if cell[0] > 1]


def write_report(judged: Sequence[Variant]) -> None:
    every: dict[str, Scores] = {v.name: json.loads(v.scores.read_text()) for v in judged}
    variants = [v for v in judged if not v.repeats]
    scores = {v.name: every[v.name] for v in variants}
    settings = SETTINGS["judge"]
    lines = [
        f"{settings['prompts']} prompts with looks never trained on × {settings['seeds']} seeds a cell, "
        f"drawn by the trainer's sampler: {settings['steps']} steps, cfg {settings['cfg']:g}. Means, with "
        "95 % intervals by bootstrap over prompts. The figures are of one training run each, so they "
        "say nothing about another run's luck.",
        "",
        *table(scores),
    ]
    write_section(PAGE, "Figures", COMMAND, lines)
    if len(variants) > 1:
        write_section(PAGE, "What each part is worth", COMMAND, differences(scores))
    repeated = [v for v in judged if v.repeats]
    if repeated:
        write_section(PAGE, "Other seeds", COMMAND, other_seeds(repeated, every))
    write_section(PAGE, "Diptychs when asked", COMMAND, asked_for_diptychs(variants))
    write_section(PAGE, "Who owns what", COMMAND, who_owns(variants[0]))
    write_section(PAGE, "How long each was trained", COMMAND, trained(variants))
    sheet(variants)


def other_seeds(repeated: Sequence[Variant], scores: dict[str, Scores]) -> list[str]:
    """Identity of each run, the first in front: of as many of its seeds as the others were judged on."""
    cells, seeds = [name_of(*cell) for cell in CELLS], SETTINGS["judge"]["again_seeds"]
    scores = {
        name: {cell: [p for p in pictures if p["seed"] < seeds] for cell, pictures in run.items()}
        for name, run in scores.items()
    }
    lines = [
        "The same training from other seeds: of the LoRA's first factors, of noise and times, and of the "
        "data. Mean identity of each run, the first in front, over the same prompts × "
        f"{seeds} seed{'s' * (seeds > 1)} of noise.",
        "",
        f"| variant | {' | '.join(cells)} |",
        "|---|" + "---|" * len(cells),
    ]
    for name in dict.fromkeys(v.repeats for v in repeated):
        runs = [scores[name], *(scores[v.name] for v in repeated if v.repeats == name)]
        means = [" / ".join(f"{interval(run[cell], 'identity')[0]:.3f}" for run in runs) for cell in cells]
        lines.append(f"| {name} | {' | '.join(means)} |")
    return lines


def asked_for_diptychs(variants: Sequence[Variant]) -> list[str]:
    return [
        f"{panels.ASKED} prompts of training's diptychs, in its words: *Two images concatenated side by "
        "side, the left part is: …, the right part is: …*. How many of the pictures were diptychs:",
        "",
        *panels.table(variants),
    ]


def who_owns(variant: Variant) -> list[str]:
    asked = [case for cell in ROWS for case in cases(*cell, OWNED)]
    return [
        f"Tokens of a subject that were given to its own reference, in {len(asked)} true pictures of two to "
        "four subjects with noise (time 1 is noise alone). Chance is 50 % to 25 %.",
        "",
        *owners.table(variant.artist(), asked),
    ]


def trained(variants: Sequence[Variant]) -> list[str]:
    lines = [
        f"Each step learned from {variants[0].config['batch']} examples. The minutes are the clock's, on "
        "processors of several kinds and beside other work: the budget that is equal is the steps.",
        "",
        "| variant | steps | minutes | ranks | static | dynamic | data of its stages |",
        "|---" * 7 + "|",
    ]
    for v in variants:
        config, facts = v.config, v.training
        ranks = ", ".join(f"{branch} {rank}" for branch, rank in config["variant"]["ranks"].items())
        routing = (("off", "on")[config["variant"][kind]] for kind in ("static", "dynamic"))
        stages = "; ".join(f"{s['steps']}: {_mix(s['mix'])}" for s in config["stages"])
        cells = (v.name, facts["step"], facts["minutes"], ranks, *routing, stages)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _mix(shares: dict[str, float]) -> str:
    total = sum(shares.values())
    return " + ".join(f"{share / total:.0%} {mode}" for mode, share in shares.items())


def sheet(variants: Sequence[Variant]) -> None:
    """A row a cell of the table: its first case and seed, not its best."""
    asked = [cases(*cell, SETTINGS["judge"]["prompts"])[0] for cell in ROWS]
    rows: list[list[Cell]] = [[(case.words, _references(case))] for case in asked]
    shown = [*variants[1:], variants[0]]  # the full one last, as in the paper
    for variant in shown:
        drawn = {i: cells for i, _, cells in variant.artist().draw(asked, 1)}
        for i, case in enumerate(asked):
            rows[i].append((_caption(variant, drawn[i], case), picture(drawn[i], 6)))
    save_sheet(PAGE.parent / SHEET, rows)
    names = ", ".join(v.name for v in shown)
    lines = [
        f"The first prompt of each cell, first seed. From left to right: the references, {names}.",
        "",
        f"![The variants side by side]({SHEET})",
    ]
    write_section(PAGE, "Seen", COMMAND, lines)


def _caption(variant: Variant, cells: np.ndarray, case: Case) -> str:
    found = figures(cells, case.request)
    leak = "–" if found["leak"] is None else f"{found['leak']:.0%}"
    return f"{variant.name}: identity {found['identity']:.0%}, leak {leak}"


def _references(case: Case) -> np.ndarray:
    images = [r.image for r in case.example.references]
    return np.concatenate(images, 1)
