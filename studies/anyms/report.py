"""docs/results.md: what boxes do with an image adapter, and together with MUSAR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from sprites.judge.verdict import judge
from sprites.world.palette import picture
from tools.comfy_server import ROOT
from tools.report import write_section
from tools.sheet import Cell, save_sheet

from ..judging.table import bootstrap, by_prompt, interval
from .asked import BoxedCase, boxed_cases
from .found import ap50
from .ways import Hand, Placing

COMMAND = "make anyms"
PAGE = ROOT / "docs" / "results.md"
SHEET = "images/anyms.png"
SHOWN = {"layout": "mIoU ↑", "identity": "identity ↑", "leak": "leak ↓", "fidelity": "fidelity ↑"}
ZOOM = 6  # pixels a cell
COLOURS = [(230, 60, 60), (60, 130, 240), (40, 160, 70), (200, 120, 20), (150, 70, 200)]

Scores = Mapping[str, Mapping[str, Sequence[Mapping]]]  # way: cell: pictures


def write_report(scores: Scores, settings: Mapping) -> None:
    judging = settings["judge"]
    fewer = ", ".join(f"{n}: {c['prompts']}" for n, c in judging["cells"].items() if "prompts" in c)
    lines = [
        f"{judging['prompts']} prompts ({fewer}) with looks never trained on × {judging['seeds']} seeds, "
        f"drawn by the trainer's sampler: {judging['steps']} steps, cfg {judging['cfg']:g}, the same noise "
        "for every way. Means, with 95 % intervals by bootstrap over prompts. mIoU and AP50 hold what the "
        "judge finds against the places that were asked for; a subject that is missing has IoU and identity "
        "0. In *loose boxes* every box is a token larger on each side than the place, so that neighbours' "
        "boxes overlap; figures are against the place. In the other cells no boxes overlap, and there summed "
        "masks are AnyMS itself. What a way is stands in "
        "[settings.yaml](../studies/anyms/settings.yaml).",
        "",
        f"| subjects | way | AP50 ↑ | {' | '.join(SHOWN.values())} |",
        "|---|---|---|" + "---|" * len(SHOWN),
    ]
    for cell, asked in judging["cells"].items():
        for way, cells in scores.items():
            if cell in cells:
                values = [interval(cells[cell], figure) for figure in SHOWN]
                shown = " | ".join(map(_said, [ap50(cells[cell], asked["count"]), *values]))
                lines.append(f"| {cell} | {way} | {shown} |")
    lines += ["", *_differences(scores, settings)]
    write_section(PAGE, "Subjects in boxes", COMMAND, lines)


def _said(value: tuple[float, float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"


def _differences(scores: Scores, settings: Mapping) -> list[str]:
    """The pair minus each alone, on the same prompts."""
    pair = settings["pair"]
    lines = [f"{pair}, minus each alone on the same prompts:", ""]
    lines += [f"| subjects | minus | {' | '.join(SHOWN.values())} |", "|---|---|" + "---|" * len(SHOWN)]
    for cell in scores.get(pair, {}):
        for other in settings["alone"]:
            values = []
            for figure in SHOWN:
                a, b = (by_prompt(scores[way].get(cell, ()), figure) for way in (pair, other))
                values.append([a[case] - b[case] for case in a if case in b])
            if all(values):
                shown = " | ".join("{:+.3f} ({:+.3f} to {:+.3f})".format(*bootstrap(v)) for v in values)
                lines.append(f"| {cell} | {other} | {shown} |")
    return lines


def write_sheet(settings: Mapping) -> None:
    """A row a number of subjects: references, the boxes, and the first prompt's picture in every way."""
    judging = settings["judge"]
    names = [name for name, cell in judging["cells"].items() if not cell.get("loose")]
    rows: dict[str, list[Cell]] = {}
    for way in settings["shown"]:
        placing = Placing(**settings["ways"][way])
        hand = Hand(placing, judging)
        for name in names:
            asked = boxed_cases(references=placing.musar, **(judging["cells"][name] | {"prompts": 1}))
            ((_, _, cells),) = hand.artist.draw(asked, 1, hand.ready)
            verdict = judge(cells, asked[0].request)
            words = f"{way}: mIoU {verdict.layout:.0%}, identity {np.mean(verdict.identity):.0%}"
            rows.setdefault(name, _asked_for(asked[0])).append((words, picture(cells, ZOOM)))
    save_sheet(PAGE.parent / SHEET, list(rows.values()))
    lines = [
        "The first prompt of each cell, first seed: the references, their boxes, and what was drawn.",
        "",
        f"![References, boxes and pictures]({SHEET})",
    ]
    write_section(PAGE, "Seen in boxes", COMMAND, lines)


def _asked_for(case: BoxedCase) -> list[Cell]:
    half = -(-len(case.looks) // 2)
    looks = case.looks + [np.full_like(case.looks[0], 255)] * (2 * half - len(case.looks))
    sheet = np.concatenate([np.concatenate(looks[k : k + half], 1) for k in (0, half)])
    return [("references, in the order of the prompt", sheet), (case.words, drawn_boxes(case))]


def drawn_boxes(case: BoxedCase) -> np.ndarray:
    """On an empty canvas of the picture's size."""
    width, height = case.scene.columns * ZOOM, case.scene.rows * ZOOM
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(190, 190, 190))
    for k, (box, subject) in enumerate(zip(case.boxes, case.scene.subjects)):
        colour, left, top = COLOURS[k % len(COLOURS)], round(box.left * width), round(box.top * height)
        place = (left, top, round(box.right * width) - 1, round(box.bottom * height) - 1)
        pen.rectangle(place, outline=colour, width=2)
        pen.text((left + 4, top + 2), subject.kind, colour)
    return np.asarray(canvas)
