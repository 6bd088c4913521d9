"""`make ablation`: train what is not there yet, judge it, and write docs/results.md."""

from __future__ import annotations

import argparse
import shutil

from ..judging.judge import judge
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
            judge(variant, SETTINGS["judge"])
    write_report([variant for variant in every if variant.scores.exists()])


def forget(variant: Variant) -> None:
    shutil.rmtree(RUNS / variant.file, ignore_errors=True)
    variant.lora.unlink(missing_ok=True)
    variant.scores.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
