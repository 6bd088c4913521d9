"""A LoRA that a study trained: where its file and its scores lie, and its network."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from musar_attention.lora import BRANCHES
from tools.comfy_server import ROOT
from training.encoders import new_encoder
from training.network.dual_lora import EVERYONE
from training.run.trainer import EachStep, Trainer
from training.train import LORA, new_model, read_config, train

from ..device import DEVICE
from .score import Artist


@dataclass(frozen=True)
class Variant:
    name: str
    config: dict
    results: Path  # folder
    weights: Path  # folder of the LoRA: the results', or one that is not committed
    drawing: Mapping  # steps, cfg and batch
    repeats: str = ""  # the variant that this is from another seed: only its scores are kept

    @property
    def file(self) -> str:
        return self.name.replace(",", "").replace(" ", "_")

    @property
    def lora(self) -> Path:
        return self.weights / f"{self.file}.safetensors"

    @property
    def scores(self) -> Path:
        return self.results / f"{self.file}.json"

    def artist(self, gated: bool = False) -> Artist:
        """Draws with the LoRA that was trained. `gated`: a LoRA for all tokens as both branches of a dual
        one, as MUSAR Dual LoRA puts it on: the prompt's tokens see none."""
        config, state = self.config, load_file(self.lora)
        if gated:
            rank = config["variant"]["ranks"][EVERYONE]
            changed = config["variant"] | {"ranks": dict.fromkeys(BRANCHES, rank)}
            config = config | {"variant": changed}
        model = new_model(config | {"compile": False})  # too many shapes for it to pay
        if gated:
            own = model.lora.exported()
            state = {f"{b}.{n}": t for b in BRANCHES for n, t in state.items() if f"{b}.{n}" in own}
        model.lora.load_exported(state)
        model.to(DEVICE)
        models = ROOT / config["encoder"]["models"]
        encoder = new_encoder(config["encoder"] | {"models": models, "device": DEVICE})
        drawing = {name: self.drawing[name] for name in ("steps", "cfg", "batch")}
        return Artist(model.eval(), encoder, condition_prompts=self.config["condition_prompts"], **drawing)

    @property
    def training(self) -> dict[str, str]:
        """What the LoRA's file says of its training."""
        with safe_open(self.lora, "pt") as file:
            return file.metadata()


def variants(settings: Mapping, results: Path, runs: Path) -> list[Variant]:
    """`settings` hold the config and each variant's changes to it, and nothing else is different.

    Behind them those that are trained `again` from other seeds, of which only the scores are kept.
    """

    def one(name: str, changes: list[str], weights: Path, repeats: str = "") -> Variant:
        config = read_config(ROOT / settings["config"], changes)
        return Variant(name, config, results, weights, settings["judge"], repeats)

    first = [one(name, changes, results) for name, changes in settings["variants"].items()]
    again = [
        one(f"{name}, seed {s}", [*settings["variants"][name], f"seed={s}", f"data.seed={s}"], runs, name)
        for name, seeds in settings.get("again", {}).items()
        for s in seeds
    ]
    return [*first, *again]


def learn(variant: Variant, runs: Path, short: int | None = None) -> None:
    """Train it; a run that was cut off goes on. `short`: tokens of T in every stage but the last; such a run
    begins anew, since what waits for a batch there does not tell its own length of T."""
    if short:
        shutil.rmtree(runs / variant.file, ignore_errors=True)
    on_gpu = {"cpu": False, "compile": False}  # Sprites' shapes are many and small
    config = variant.config | {"encoder": variant.config["encoder"] | {"device": DEVICE.type}}
    each_step = [shortening(short)] if short else []
    train(config | (on_gpu if DEVICE.type == "cuda" else {}), runs / variant.file, *each_step)
    variant.weights.mkdir(parents=True, exist_ok=True)
    shutil.copy(runs / variant.file / LORA, variant.lora)


def shortening(short: int) -> EachStep:
    """From the second step on; what the encoder began with comes back for the last stage."""
    whole = 0

    def shorten(trainer: Trainer, loss: float) -> None:
        nonlocal whole
        encoder = trainer.examples.encoder
        whole = whole or encoder.length
        last = trainer.total - trainer.config["stages"][-1]["steps"]
        encoder.length = short if trainer.step < last else whole

    return shorten
