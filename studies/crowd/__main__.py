"""`make crowd`: train on the less kind base, draw what no training has seen, and write docs/results.md."""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import yaml

from tools.comfy_server import ROOT
from tools.report import write_section

from ..judging.crowds import crowd_cases
from ..judging.variant import Variant, learn, variants
from ..training_free.drawn import drawn, judge_each, scores_in
from ..training_free.report import table
from ..training_free.ways import way_of

HERE = Path(__file__).parent
RESULTS, RUNS = HERE / "results", ROOT / ".run" / "crowd"
SETTINGS = yaml.safe_load((HERE / "crowd.yaml").read_text())
PAGE = ROOT / "docs" / "results.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="these models alone")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    every = variants(SETTINGS, RESULTS, RUNS)
    if set(args.only or ()) - {v.name for v in every}:
        parser.error(f"Choose of {', '.join(v.name for v in every)}.")
    for variant in every:
        if not args.only or variant.name in args.only:
            judge(variant)
    write_report([v for v in every if v.scores.exists()])


def judge(variant: Variant) -> None:
    """Every way that is not judged yet; each is kept as soon as it is done."""
    settings = SETTINGS["judge"]
    asked = {
        name: crowd_cases(prompts=settings["prompts"], **cell) for name, cell in settings["cells"].items()
    }
    ways, there = SETTINGS["ways"][variant.name], scores_in(variant.scores)
    left = [name for name in ways if name not in there]
    if left and not variant.lora.exists():
        learn(variant, RUNS)
    artist = cache(variant.artist)

    def draw(name: str) -> dict[str, dict[str, list]]:
        way = way_of(ways[name]).placed(SETTINGS["trained"].get(variant.name, 0))
        return drawn(artist(way.gated), way, asked, settings["seeds"])

    judge_each(variant.scores, left, draw)


def write_report(judged: list[Variant]) -> None:
    settings = SETTINGS["judge"]
    lines = [
        "Subjects stand anywhere, touch and cover one another; kinds go by one word or two; "
        "sentences begin in many ways, *a photo of* is not one that was trained; the text encoder "
        "mixes words by their neighbours and numbers nothing. "
        f"{settings['prompts']} held-out prompts × {settings['seeds']} seeds a cell, trainer's "
        "sampler. Identity, with 95 % intervals by bootstrap over prompts; in brackets leak and "
        "fidelity. What is covered is not judged.",
    ]
    for variant in judged:
        scores = json.loads(variant.scores.read_text())
        lines += ["", f"### {variant.name}, less kind", "", *table(scores, list(settings["cells"]))]
    write_section(PAGE, "The less kind world", "make crowd", lines)


if __name__ == "__main__":
    main()
