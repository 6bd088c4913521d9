"""`make training-free`: train the models, draw with each of them in every way, and write docs/results.md."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache

from ..ablation.variants import every_variant
from ..judging.cases import Case, cases, name_of
from ..judging.variant import Variant, learn
from .drawn import drawn, judge_each, missing, scores_in
from .models import RESULTS, RUNS, SETTINGS, WAYS, every_model
from .report import write_report

MUSAR, KONTEXT = "full", "kontext"  # the first is the ablation's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="these models alone")
    parser.add_argument("--ways", nargs="+", metavar="WAY", help="these ways alone")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    every = [*every_model(), musar()]
    for given, known in ((args.only, [v.name for v in every]), (args.ways, list(WAYS))):
        if set(given or ()) - set(known):
            parser.error(f"Choose of {', '.join(known)}.")
    for variant in every:
        if not args.only or variant.name in args.only:
            judge(variant, args.ways or ways_for(variant))
    write_report([v for v in every if v.scores.exists()], SETTINGS, WAYS)


def musar() -> Variant:
    """The dual LoRA of the ablation, to compare with."""
    return replace(next(v for v in every_variant() if v.name == MUSAR), results=RESULTS)


def ways_for(variant: Variant) -> list[str]:
    """Another seed is judged in a few alone."""
    if variant.repeats:
        return SETTINGS["judge"]["repeated"][variant.repeats]
    if variant.name == MUSAR:
        return list(SETTINGS["musar"])
    own = SETTINGS[variant.name] if variant.name == KONTEXT else ()
    return [*SETTINGS["ways"], *SETTINGS["trials"], *own]


def judge(variant: Variant, ways: list[str]) -> None:
    """Every way and cell that is not judged yet; each way is kept as soon as it is done."""
    left = missing(scores_in(variant.scores), {name: asked_of(variant, name) for name in ways})
    if not left:
        return
    if not variant.lora.exists():
        print(f"Training {variant.name} …")
        learn(variant, RUNS)
    artist = cache(variant.artist)
    trained = SETTINGS["trained"].get(variant.repeats or variant.name, 0)

    def draw(name: str) -> dict[str, dict[str, list]]:
        way = WAYS[name]
        return drawn(artist(way.gated), way.placed(trained), left[name], SETTINGS["judge"]["seeds"])

    judge_each(variant.scores, left, draw)


found_once = cache(cases)  # five subjects without a colour shared are long sought, and every way has them


def asked_of(variant: Variant, way: str) -> dict[str, list[Case]]:
    """Prompts of each cell."""
    judge, beyond, freer = (SETTINGS[group] for group in ("judge", "beyond", "freer"))
    kind = "trial_" if way in SETTINGS["trials"] else ""
    asked = [(cell, judge[f"{kind}prompts"]) for cell in judge[f"{kind}cells"]]
    if way in beyond["ways"].get(variant.name, ()):
        asked += [(cell, beyond["prompts"]) for cell in beyond["cells"]]
    every = {name_of(*cell): found_once(*cell, prompts, WAYS[way].busy) for cell, prompts in asked}
    if way in freer["ways"].get(variant.name, ()):
        every |= {name: found_once(prompts=judge["prompts"], **cell) for name, cell in freer["cells"].items()}
    return every


if __name__ == "__main__":
    main()
