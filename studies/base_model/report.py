"""`make sprites-judge`: how well the judge judges and the base model draws, into docs/sprites.md."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from demo.painter import CFG, STEPS, Painter
from sprites.judge.read import read_cells
from sprites.judge.self_test import Reading, judge_wrong, read_truth
from sprites.judge.verdict import Request, Verdict, judge
from sprites.judge.wrong import WAYS, asked
from sprites.world.captions import caption, held_out_prompt
from sprites.world.palette import picture
from sprites.world.scene import Scene, pick_scene
from tools.comfy_server import ROOT
from tools.report import write_section
from tools.sheet import save_sheet

DOCS = ROOT / "docs"
COMMAND = "make sprites-judge"
SLOTS = {1: 2, 2: 2, 3: 3, 4: 4, 5: 5}  # across, for so many subjects
ACROSS = {2: 8, 3: 6, 4: 5, 5: 4}  # pictures of so many slots in a row of the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500, help="for each line of the self-test")
    parser.add_argument("--prompts", type=int, default=100, help="held-out prompts a number of subjects")
    parser.add_argument("--seeds", type=int, default=2, help="pictures a prompt")
    args = parser.parse_args()
    painter = Painter()
    report_self_test(painter, args.pictures)
    report_wrong(painter, args.pictures // 5)
    report_base(painter, args.prompts, args.seeds)


def report_self_test(painter: Painter, pictures: int) -> None:
    rendered, trip = read_truth(pictures), read_truth(pictures, view=painter.round_trip)
    rows = [("rendered", rendered), ("through the VAE and back", trip)]
    lines = [
        f"{pictures} scenes of one to five subjects each.",
        "",
        "| pictures | kinds found | exactly in place | identity read, of 594 | background | taken for a "
        "diptych | subjects too many |",
        "|---|---|---|---|---|---|---|",
        *(f"| {name} | {_cells(reading)} |" for name, reading in rows),
    ]
    write_section(DOCS / "sprites.md", "The judge on true pictures", COMMAND, lines)


def _cells(r: Reading) -> str:
    shares = " | ".join(f"{x:.1%}" for x in (r.kinds, r.positions, r.identities, r.places, r.diptychs))
    return f"{shares} | {r.extra:.3f}"


def report_wrong(painter: Painter, pictures: int) -> None:
    lines = [
        f"{pictures} scenes of two subjects a line, seen through the VAE. Their references have no "
        "colour in common.",
        "",
        "| two subjects of | drawn | present | identity | best of 594 | leak | mIoU | fidelity | diptych |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for same in (False, True):
        for way in WAYS:
            verdicts = judge_wrong(way, pictures, view=painter.round_trip, same=same)
            lines.append(f"| {'one kind' if same else 'two kinds'} | {way} | {_means(verdicts)} |")
    lines += ["", "![One picture of each](images/sprites_judge.png)"]
    rng = np.random.default_rng(2)
    scene = asked(rng, ["cat", "robot"])
    row = [(way, picture(draw(rng, scene), 6)) for way, draw in WAYS.items()]
    save_sheet(DOCS / "images" / "sprites_judge.png", [row])
    write_section(DOCS / "sprites.md", "The judge on wrong pictures", COMMAND, lines)


def _means(verdicts: Sequence[Verdict]) -> str:
    def mean(values: list) -> float:
        return float(np.mean([v for v in values if v is not None]))

    return " | ".join(
        f"{x:.2f}"
        for x in (
            mean([v.present for v in verdicts]),
            mean([x for v in verdicts for x in v.identity]),
            mean([x for v in verdicts for x in v.matched]),
            mean([x for v in verdicts for x in v.leak]),
            mean([v.layout for v in verdicts]),
            mean([v.fidelity for v in verdicts]),
            mean([v.diptych for v in verdicts]),
        )
    )


def report_base(painter: Painter, prompts: int, seeds: int) -> None:
    lines = [
        f"{prompts} prompts never trained on × {seeds} seeds for each number of subjects, through the "
        f"stock KSampler: {STEPS} steps, cfg {CFG:g}, euler, simple.",
        "",
        "| subjects named | kinds present | all of them | background | subjects too many | diptych |",
        "|---|---|---|---|---|---|",
    ]
    rows = []
    for count, slots in SLOTS.items():
        verdicts, shown = [], []
        for scene, words, i in tqdm(list(_held_out(count, slots, prompts)), f"{count} subjects"):
            drawn = painter.draw(words, scene.rows, scene.columns, seed=1000 * count + i, count=seeds)
            request = Request([s.kind for s in scene.subjects], scene.place)
            verdicts += [(judge(read_cells(p), request), scene) for p in drawn]
            shown.append((words, drawn[0]))
        lines.append(f"| {count} | {_base_cells(verdicts)} |")
        rows.append(shown[: ACROSS[slots]])  # the first, not the best
    lines += ["", "The first prompts of each number, first seed:", "", "![Pictures](images/sprites_base.png)"]
    save_sheet(DOCS / "images" / "sprites_base.png", rows)
    write_section(DOCS / "sprites.md", "The base model", COMMAND, lines)


def _held_out(count: int, slots: int, prompts: int) -> list[tuple[Scene, str, int]]:
    rng, chosen = np.random.default_rng(count), []
    while len(chosen) < prompts:
        scene = pick_scene(rng, count, slots)
        if held_out_prompt(scene):
            chosen.append((scene, caption(rng, scene), len(chosen)))
    return chosen


def _base_cells(verdicts: list[tuple[Verdict, Scene]]) -> str:
    present = np.mean([v.present for v, _ in verdicts])
    everyone = np.mean([v.present == 1 for v, _ in verdicts])
    place = np.mean([v.place == scene.place for v, scene in verdicts])
    extra = np.mean([v.extra for v, _ in verdicts])
    diptych = np.mean([v.diptych for v, _ in verdicts])
    return f"{present:.1%} | {everyone:.1%} | {place:.1%} | {extra:.2f} | {diptych:.1%}"


if __name__ == "__main__":
    main()
