"""The variants: where each one's LoRA and scores lie, and its network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from tools.comfy_server import ROOT
from training.encoders.sprites import SpritesEncoder
from training.train import new_model, read_config

from .score import Artist

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SETTINGS = yaml.safe_load((HERE / "variants.yaml").read_text())


@dataclass(frozen=True)
class Variant:
    name: str
    config: dict

    @property
    def file(self) -> str:
        return self.name.replace(" ", "_")

    @property
    def lora(self) -> Path:
        return RESULTS / f"{self.file}.safetensors"

    @property
    def scores(self) -> Path:
        return RESULTS / f"{self.file}.json"

    def artist(self) -> Artist:
        """Draws with the LoRA that was trained."""
        model = new_model(self.config | {"compile": False})  # too many shapes for it to pay
        model.lora.load_exported(load_file(self.lora))
        encoder = SpritesEncoder(ROOT / self.config["encoder"]["models"])
        settings = SETTINGS["judge"]
        return Artist(model.eval(), encoder, settings["steps"], settings["cfg"], settings["batch"])

    @property
    def training(self) -> dict[str, str]:
        """What the LoRA's file says of its training."""
        with safe_open(self.lora, "pt") as file:
            return file.metadata()


def every_variant() -> list[Variant]:
    file = ROOT / SETTINGS["config"]
    return [Variant(name, read_config(file, changes)) for name, changes in SETTINGS["variants"].items()]
