"""`make times`: at which times to learn, tried on Sprites; into docs/training.md."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tools.comfy_server import ROOT
from tools.report import write_section

from ..judging.judge import judge
from ..judging.table import differences, table
from ..judging.variant import learn, variants

HERE = Path(__file__).parent
RESULTS, RUNS = HERE / "results", ROOT / ".run" / "times"
SETTINGS = yaml.safe_load((HERE / "times.yaml").read_text())
PAGE = ROOT / "docs" / "training.md"


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    every = variants(SETTINGS, RESULTS, RUNS)
    for variant in every:
        if variant.scores.exists():
            continue
        if not variant.lora.exists():
            print(f"Training {variant.name} …")
            learn(variant, RUNS)
        judge(variant, SETTINGS["judge"])
    scores = {v.name: json.loads(v.scores.read_text()) for v in every}
    settings, steps = SETTINGS["judge"], sum(stage["steps"] for stage in every[0].config["stages"])
    lines = [
        f"Sprites, one run of {steps:,} steps each, {settings['prompts']} prompts × {settings['seeds']} "
        "seeds a cell, with 95 % intervals by bootstrap over prompts.",
        "",
        *table(scores),
        "",
        *differences(scores),
    ]
    write_section(PAGE, "Times tried on Sprites", "make times", lines)


if __name__ == "__main__":
    main()
