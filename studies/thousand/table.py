"""Prompts of two subjects that no training has seen, as a batch's table, graph and map."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gallery.on_sprites import as_sprites
from sprites.world.palette import picture
from sprites.world.scene import reference
from tools.comfy_server import ROOT

from ..judging.cases import cases

API = ROOT / "workflows" / "api"
MAP = {
    "prompt": "MUSAR Conditioning/prompt",
    "seed": "KSampler/seed",
    "steps": "KSampler/steps",
    "reference_1": "Reference: cat/image",
    "reference_2": "Reference: robot/image",
    "phrase_1": "Subject: cat/phrase",
    "phrase_2": "Subject: robot/phrase",
}


def write_inputs(folder: Path, rows: Sequence[dict], graph: str) -> list[str]:
    """Graph, table and map of a batch that fills a shipped graph of two subjects; its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    prompt = as_sprites(json.loads((API / f"{graph}.json").read_text()))
    named = MAP | {f"words_{k}": f"Subject: {who}/prompt" for k, who in ((1, "cat"), (2, "robot"))}
    (folder / "graph.json").write_text(json.dumps(prompt))
    (folder / "map.json").write_text(json.dumps({c: named[c] for c in rows[0] if c in named}))
    with (folder / "table.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    names = ("graph.json", "table.csv", "map.json")
    return [
        x for flag, name in zip(("--graph", "--table", "--map"), names) for x in (flag, str(folder / name))
    ]


def sprites_rows(folder: Path, count: int, seeds: int = 4, steps: int = 20) -> list[dict]:
    """`seeds` pictures a prompt, as the paper has it."""
    pictures, rows = folder.resolve() / "references", []
    pictures.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(cases(2, False, -(-count // seeds))):
        row = {"prompt": case.words}
        for k, subject in enumerate(case.scene.subjects, 1):
            file = pictures / f"{number:04d}_{k}.png"
            Image.fromarray(picture(reference(subject.kind, subject.identity))).save(file)
            row |= {f"reference_{k}": str(file), f"phrase_{k}": subject.kind}
        rows += [{"seed": 10_000 * number + seed, "steps": steps} | row for seed in range(seeds)]
    return rows[:count]
