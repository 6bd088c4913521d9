"""`make times`: at which times to learn, and whether "another" belongs to the phrase, tried on Sprites."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from tools.comfy_server import ROOT
from tools.report import write_section

from ..judging.judge import judge
from ..judging.table import differences, table
from ..judging.variant import Variant, learn, variants

HERE = Path(__file__).parent
RESULTS, RUNS = HERE / "results", ROOT / ".run" / "times"
SETTINGS = yaml.safe_load((HERE / "times.yaml").read_text())
PAGE = ROOT / "docs" / "training.md"


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    times, another = of("variants"), of("another")
    for variant in [*times, *another]:
        if variant.scores.exists():
            continue
        if not variant.lora.exists():
            print(f"Training {variant.name} …")
            learn(variant, RUNS)
        judge(variant, SETTINGS["judge"])
    write_section(PAGE, "Times tried on Sprites", "make times", compared({v.name: v for v in times}))
    pair = {"without": times[0]} | {v.name: v for v in another}
    write_section(PAGE, "Another of a kind", "make times", compared(pair))


def of(group: str) -> list[Variant]:
    """Of these the scores alone are kept."""
    settings = SETTINGS | {"variants": SETTINGS[group]}
    return [replace(variant, weights=RUNS) for variant in variants(settings, RESULTS, RUNS)]


def compared(several: Mapping[str, Variant]) -> list[str]:
    scores = {name: json.loads(v.scores.read_text()) for name, v in several.items()}
    settings, config = SETTINGS["judge"], next(iter(several.values())).config
    steps = sum(stage["steps"] for stage in config["stages"])
    return [
        f"Sprites, one run of {steps:,} steps of {config['batch']} each, {settings['prompts']} prompts with "
        f"{settings['seeds']} seed a cell, with 95 % intervals by bootstrap over prompts.",
        "",
        *table(scores),
        "",
        *differences(scores),
    ]


if __name__ == "__main__":
    main()
