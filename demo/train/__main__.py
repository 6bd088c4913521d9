"""`make sprites-train`: text encoder, VAE and FLUX of Sprites, as settings.yaml says."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import yaml

from tools.comfy_server import ROOT

from .flux import train_flux
from .text import TextEncoder, text_weights

FOLDER = ROOT / ".run" / "sprites"


def main() -> None:
    settings = yaml.safe_load(Path(__file__).with_name("settings.yaml").read_text())
    encode = TextEncoder(Path(os.environ["COMFYUI_PATH"]), text_weights(settings["text"]["seed"]))
    train_flux(settings["flux"], encode, FOLDER / "flux.safetensors")


if __name__ == "__main__":
    main()
