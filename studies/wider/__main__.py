"""`make wider`: teach the base model up to eight subjects, draw on it with the LoRAs of the other studies,
and write docs/results.md. A training that was cut off goes on."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from sprites.text_encoder import TextEncoder
from tools.comfy_server import ROOT
from tools.report import write_section
from training.data.example import Example

from ..ablation import variants as ablation
from ..base_model.flux import train_flux
from ..base_model.publish import publish
from ..judging.cases import Case, cases, name_of
from ..judging.table import bootstrap
from ..judging.variant import Variant, learn, variants
from ..training_free import models as free
from ..training_free.drawn import as_json, drawn, judge_each, missing, scores_in
from ..training_free.report import table
from ..training_free.ways import Way

HERE = Path(__file__).parent
RESULTS, RUNS = HERE / "results", ROOT / ".run" / "wider"
SETTINGS = yaml.safe_load((HERE / "wider.yaml").read_text())
JUDGE = SETTINGS["judge"]
BASE = RUNS / f"sprites_flux_{SETTINGS['base']['steps']}.safetensors"
WORDS = ROOT / "demo" / "models" / "sprites_text.safetensors"
ALONE = RESULTS / "base.json"


@dataclass(frozen=True)
class Told(Case):
    """Asked for in words alone."""

    @property
    def example(self) -> Example:
        return replace(super().example, references=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="LORA", choices=list(SETTINGS["models"]))
    only = parser.parse_args().only
    RESULTS.mkdir(exist_ok=True)
    RUNS.mkdir(parents=True, exist_ok=True)
    if not BASE.exists():
        run = train_flux(SETTINGS["base"], TextEncoder(load_file(WORDS)), RUNS / "base.safetensors")
        publish(run.average, BASE, torch.bfloat16)
    models = [model(name) for name in SETTINGS["models"]]
    asked = {name_of(*cell): cases(*cell, JUDGE["prompts"]) for cell in JUDGE["cells"]}
    words_alone(models[-1], asked)
    for variant in models if not only else [v for v in models if v.name in only]:
        if unjudged(variant, asked) and not variant.lora.exists():
            learn(variant, RUNS)
        judge(variant, asked)
        write_report([v for v in models if v.scores.exists()])


def model(name: str) -> Variant:
    """The LoRA that a study trained on Sprites' base, or this one on the wider one, on the wider one."""
    studies = {
        "ablation": (ablation.SETTINGS, ablation.RESULTS),
        "training_free": (free.SETTINGS, free.RESULTS),
        "wider": (SETTINGS["learned"] | {"judge": ablation.SETTINGS["judge"]}, RUNS),
    }
    settings, weights = studies[SETTINGS["models"][name][0]]
    (found,) = (v for v in variants(settings, weights, RUNS) if v.name == name)
    drawing = found.drawing | {"batch": JUDGE["batch"]}
    return replace(found, config=found.config | {"base": str(BASE)}, results=RESULTS, drawing=drawing)


def words_alone(variant: Variant, asked: dict[str, list[Case]]) -> None:
    """What each base draws without references, its LoRA turned to nothing."""
    scores = scores_in(ALONE)
    bases = {"Sprites' base": ablation.every_variant()[0].config["base"], "wider": BASE}
    told = {cell: [Told(**vars(case)) for case in prompts] for cell, prompts in asked.items()}
    for name, left in missing(scores, dict.fromkeys(bases, told)).items():
        base = bases[name]
        artist = replace(variant, config=variant.config | {"base": base}).artist()
        for parameter in artist.model.lora.parameters():
            parameter.data.zero_()
        scores[name] = scores.get(name, {}) | drawn(artist, Way(dynamic=False), left, JUDGE["seeds"])
        ALONE.write_text(as_json(scores))


def unjudged(variant: Variant, asked: dict[str, list[Case]]) -> dict:
    return missing(scores_in(variant.scores), dict.fromkeys(SETTINGS["models"][variant.name][1:], asked))


def judge(variant: Variant, asked: dict[str, list[Case]]) -> None:
    """Every way that is not judged yet; each is kept as soon as it is done."""
    left, artist = unjudged(variant, asked), cache(variant.artist)

    def draw(name: str) -> dict[str, dict[str, list]]:
        return drawn(artist(free.WAYS[name].gated), free.WAYS[name], left[name], JUDGE["seeds"])

    judge_each(variant.scores, left, draw)


def write_report(judged: list[Variant]) -> None:
    base, cells = SETTINGS["base"], [name_of(*cell) for cell in JUDGE["cells"]]
    alone = json.loads(ALONE.read_text())
    scores = {f"{v.name}: {way}": s for v in judged for way, s in scores_in(v.scores).items()}
    lines = [
        f"Sprites' base model trained on for {base['steps']:,} steps of {base['batch']}, with up to eight "
        "subjects, and on it the LoRAs of the other studies as they are; *full, trained on it* began as "
        "full and learned on it for a quarter of full's steps. "
        f"{JUDGE['prompts']} prompts with looks never trained on × {JUDGE['seeds']} seeds a cell. From six "
        "on some looks share a colour. How much of what words ask for a base draws without any LoRA or "
        "reference (fidelity, with 95 % intervals by bootstrap over prompts):",
        "",
        f"| base | {' | '.join(cells)} |",
        "|---|" + "---|" * len(cells),
        *(f"| {name} | {' | '.join(fidelity(found[c]) for c in cells)} |" for name, found in alone.items()),
        "",
        "Identity on the wider base; in brackets leak and fidelity:",
        "",
        *table(scores, cells),
    ]
    write_section(ROOT / "docs" / "results.md", "A base that draws eight", "make wider", lines)


def fidelity(found: dict[str, list]) -> str:
    mean, low, high = bootstrap(found["fidelity"])
    return f"{mean:.3f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
