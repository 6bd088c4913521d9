"""`make ablation`: train what is not there yet, judge it, and write docs/results.md."""

from __future__ import annotations

import argparse
import json
import shutil

from tqdm import tqdm

from ..judging.cases import CELLS, cases, name_of
from ..judging.score import figures
from ..judging.variant import Variant, learn
from .report import write_report
from .variants import RESULTS, RUNS, SETTINGS, every_variant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="train and judge again what is there")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train and judge these alone")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    every = every_variant()
    chosen = [v for v in every if not args.only or v.name in args.only]
    if args.only and len(chosen) < len(args.only):
        parser.error(f"The variants are {', '.join(v.name for v in every)}.")
    for variant in chosen:
        if args.force:
            forget(variant)
        if not variant.lora.exists() and not (variant.repeats and variant.scores.exists()):
            print(f"Training {variant.name} …")
            learn(variant, RUNS)
        if not variant.scores.exists():
            judge(variant)
    write_report([variant for variant in every if variant.scores.exists()])


def forget(variant: Variant) -> None:
    shutil.rmtree(RUNS / variant.file, ignore_errors=True)
    variant.lora.unlink(missing_ok=True)
    variant.scores.unlink(missing_ok=True)


def judge(variant: Variant) -> None:
    settings = SETTINGS["judge"]
    prompts, seeds = settings["prompts"], settings["seeds"]
    artist = variant.artist()
    scores: dict[str, list[dict]] = {}
    with tqdm(desc=f"judging {variant.name}", total=len(CELLS) * prompts * seeds) as bar:
        for count, same in CELLS:
            asked = cases(count, same, prompts)
            seen = []
            for i, seed, cells in artist.draw(asked, seeds):
                seen.append({"case": i, "seed": seed} | figures(cells, asked[i].request))
                bar.update()
            scores[name_of(count, same)] = sorted(seen, key=lambda p: (p["case"], p["seed"]))
    variant.scores.write_text(as_json(scores))


def as_json(scores: dict[str, list[dict]]) -> str:
    """A line a picture."""
    cells = (
        f"{json.dumps(cell)}: [\n" + ",\n".join(map(json.dumps, pictures)) + "\n]"
        for cell, pictures in scores.items()
    )
    return "{\n" + ",\n".join(cells) + "\n}\n"


if __name__ == "__main__":
    main()
