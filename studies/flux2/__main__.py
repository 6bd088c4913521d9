"""`make flux2`: draw with Sprites of FLUX.2 in every way, without a LoRA and with its own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from tools.comfy_server import ROOT
from tools.report import write_section
from tools.sheet import save_sheet
from training.encoders import new_encoder
from training.train import new_model, read_config

from ..device import DEVICE
from ..judging.cases import Case, cases, name_of
from ..judging.score import Artist
from ..judging.variant import Variant, learn, variants
from ..training_free.drawn import drawn, judge_each, scores_in
from ..training_free.report import rows_of, table
from ..training_free.ways import WORDS, way_of

HERE = Path(__file__).parent
SETTINGS = yaml.safe_load((HERE / "flux2.yaml").read_text())
RESULTS = HERE / "results"
RUNS = ROOT / ".run" / "flux2"
BASE, FEW, AGAIN, AGAIN_FEW, BEYOND = (
    RESULTS / f"{name}.json" for name in ("base", "few", "again", "again_few", "beyond")
)
COMMAND = "make flux2"
PAGE = ROOT / "docs" / "results.md"
SHEET = PAGE.parent / "images" / "flux2.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="+", metavar="WAY", help="these ways of the base alone, and no LoRA")
    args = parser.parse_args()
    usual = {name: way for name, way in SETTINGS["ways"].items() if name not in SETTINGS["in_few"]}
    if set(args.ways or ()) - set(usual):
        parser.error(f"Choose of {', '.join(usual)}.")
    RESULTS.mkdir(exist_ok=True)
    trained = asked_for(SETTINGS["judge"])
    judge(BASE, artist, {name: usual[name] for name in args.ways or usual}, trained)
    if not args.ways:
        judge_more(trained)
    for variant in [] if args.ways else loras():
        judge(variant.scores, partial(learned, variant), SETTINGS["lora_ways"][variant.name], trained)
    write_report()


def judge_more(trained: Mapping[str, Sequence[Case]]) -> None:
    ways = SETTINGS["ways"]
    shown = {name: ways[name] for name in SETTINGS["shown"]}
    judge(FEW, in_few_steps, {name: way for name, way in ways.items() if "negative" not in way}, trained)
    first, more = SETTINGS["judge"]["prompts"], SETTINGS["others"]
    others = {name: asked[first:] for name, asked in asked_for(SETTINGS["judge"], first + more).items()}
    judge(AGAIN_FEW, in_few_steps, shown, others)
    judge(BEYOND, in_few_steps, shown, asked_for(SETTINGS["beyond"], first, alike=True))
    judge(AGAIN, artist, shown, others)
    if not SHEET.exists():
        asked = [case for name in ("3", "4", "5") for case in others[name][:2]]
        told = {name: way_of(way) for name, way in shown.items()}
        save_sheet(SHEET, rows_of(in_few_steps(), asked, told))


def asked_for(settings: Mapping, prompts: int = 0, alike: bool = False) -> dict[str, list[Case]]:
    prompts = prompts or SETTINGS["judge"]["prompts"]
    return {name_of(*c, alike): cases(*c, prompts, alike=alike) for c in settings["cells"]}


def loras() -> list[Variant]:
    """Of these the scores alone are kept."""
    return [replace(variant, weights=RUNS) for variant in variants(SETTINGS, RESULTS, RUNS)]


def learned(variant: Variant) -> Artist:
    """Trained first where its LoRA is not here."""
    if not variant.lora.exists():
        print(f"Training {variant.name} …")
        learn(variant, RUNS, SETTINGS["short"])
    return variant.artist()


def judge(
    file: Path, artist: Callable[[], Artist], ways: dict[str, dict], asked: Mapping[str, Sequence[Case]]
) -> None:
    """Every way that is not judged yet; each is kept as soon as it is done."""
    left = ways.keys() - scores_in(file)
    if not left:
        return
    first = artist()

    def draw(name: str) -> dict[str, dict[str, list]]:
        way = way_of(ways[name])
        painter = replace(first, negative_references=way.negative != WORDS)
        return drawn(painter, way, asked, SETTINGS["judge"]["seeds"])

    judge_each(file, [name for name in ways if name in left], draw)


def in_few_steps() -> Artist:
    return replace(artist(), **SETTINGS["few"])


def artist() -> Artist:
    config = read_config(ROOT / SETTINGS["config"], SETTINGS["base"])
    models = ROOT / config["encoder"]["models"]
    encoder = new_encoder(config["encoder"] | {"models": models, "device": DEVICE})
    drawing = {name: SETTINGS["judge"][name] for name in ("steps", "cfg", "batch")}
    return Artist(new_model(config).eval().to(DEVICE), encoder, condition_prompts=False, **drawing)


def write_report() -> None:
    settings, few = SETTINGS["judge"], "In {steps} steps with cfg {cfg:g}".format(**SETTINGS["few"])
    cells = [name_of(*cell) for cell in settings["cells"]]
    harder = [name_of(*cell, alike=True) for cell in SETTINGS["beyond"]["cells"]]
    lines = [
        f"The base model of Sprites of FLUX.2, which was trained on scenes with references of up to three "
        f"subjects and never with routing. {settings['prompts']} prompts with looks never trained on × "
        f"{settings['seeds']} seed a cell, drawn by the trainer's sampler: {settings['steps']} steps, cfg "
        f"{settings['cfg']:g}. Identity by number of subjects, with 95 % intervals by bootstrap over "
        "prompts; in brackets the leak of what is there, and the fidelity: how much of what was asked for is "
        "there; with boxes, where it was measured, a third: their mean overlap (IoU) with the subjects. What "
        "a way is stands in [flux2.yaml](../studies/flux2/flux2.yaml).",
    ]
    again = f"on {SETTINGS['others']} other prompts, since *by attention* was chosen on those above"
    for title, file, columns in (
        ("", BASE, cells),
        (f"{few}, as distilled models are drawn:", FEW, cells),
        (f"{few} {again}:", AGAIN_FEW, cells),
        (f"And in {settings['steps']} steps with cfg {settings['cfg']:g}, on the same:", AGAIN, cells),
        (f"{few}, harder: each reference shares one of its two colours with another.", BEYOND, harder),
    ):
        if file.exists():
            lines += ["", title, ""] if title else [""]
            lines += table(json.loads(file.read_text()), columns)
    if SHEET.exists():
        lines += [
            "",
            f"{few}, the first of the other prompts: references, then {', '.join(SETTINGS['shown'])}.",
        ]
        lines += ["", f"![References, and each way](images/{SHEET.name})"]
    for variant in loras():
        if variant.scores.exists():
            steps = sum(stage["steps"] for stage in variant.config["stages"])
            batch = variant.config["batch"]
            lines += [
                "",
                f"A dual LoRA trained on it, *{variant.name}*: {steps:,} steps of {batch}, with "
                f"{SETTINGS['short']} tokens of T in every stage but the last.",
            ]
            lines += ["", *table(json.loads(variant.scores.read_text()), cells)]
    write_section(PAGE, "FLUX.2: routing without training for it", COMMAND, lines)


if __name__ == "__main__":
    main()
