"""A LoRA that a study trained: where its file and its scores lie, and its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from tools.comfy_server import ROOT
from training.encoders.sprites import SpritesEncoder
from training.train import new_model, read_config

from .score import Artist


@dataclass(frozen=True)
class Variant:
    name: str
    config: dict
    results: Path  # folder
    drawing: Mapping  # steps, cfg and batch

    @property
    def file(self) -> str:
        return self.name.replace(" ", "_")

    @property
    def lora(self) -> Path:
        return self.results / f"{self.file}.safetensors"

    @property
    def scores(self) -> Path:
        return self.results / f"{self.file}.json"

    def artist(self) -> Artist:
        """Draws with the LoRA that was trained."""
        model = new_model(self.config | {"compile": False})  # too many shapes for it to pay
        model.lora.load_exported(load_file(self.lora))
        encoder = SpritesEncoder(ROOT / self.config["encoder"]["models"])
        drawing = {name: self.drawing[name] for name in ("steps", "cfg", "batch")}
        return Artist(model.eval(), encoder, condition_prompts=self.config["condition_prompts"], **drawing)

    @property
    def training(self) -> dict[str, str]:
        """What the LoRA's file says of its training."""
        with safe_open(self.lora, "pt") as file:
            return file.metadata()


def variants(settings: Mapping, results: Path) -> list[Variant]:
    """`settings` hold the config and each variant's changes to it, and nothing else is different."""
    return [
        Variant(name, read_config(ROOT / settings["config"], changes), results, settings["judge"])
        for name, changes in settings["variants"].items()
    ]
