"""`make sprites-train`: text encoder, VAE and FLUX of Sprites, as settings.yaml says."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from tools.comfy_server import ROOT

from .flux import train_flux
from .loop import Run
from .text import TextEncoder, text_weights
from .vae import train_vae

SETTINGS = Path(__file__).with_name("settings.yaml")
FOLDER = ROOT / ".run" / "sprites"
MODELS = ROOT / "demo" / "models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything, nothing kept")
    args = parser.parse_args()
    settings = read_settings(args.smoke)
    folder = FOLDER.with_name("sprites-smoke") if args.smoke else FOLDER
    models = folder if args.smoke else MODELS
    if args.smoke:
        for file in folder.glob("*"):
            file.unlink()
    models.mkdir(parents=True, exist_ok=True)

    text = text_weights(settings["text"]["seed"])
    save_file(text, models / "sprites_text.safetensors")
    runs = {"vae": train_vae(settings["vae"], folder / "vae.safetensors")}
    publish(runs["vae"].average, models / "sprites_vae.safetensors", torch.float16)
    encode = TextEncoder(Path(os.environ["COMFYUI_PATH"]), text)
    compiled = not args.smoke
    runs["flux"] = train_flux(settings["flux"], encode, folder / "flux.safetensors", compiled)
    publish(runs["flux"].average, models / "sprites_flux.safetensors", torch.bfloat16)
    if args.smoke:
        require_falling(runs)


def read_settings(smoke: bool) -> dict:
    settings = yaml.safe_load(SETTINGS.read_text())
    changes = settings.pop("smoke")
    if smoke:
        for part, values in changes.items():
            settings[part] |= values
    return settings


def publish(weights: dict[str, Tensor], file: Path, dtype: torch.dtype) -> None:
    save_file({n: t.to(dtype).contiguous() for n, t in weights.items()}, file)


def require_falling(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        first, last = run.losses[0]["loss"], run.losses[-1]["loss"]
        print(f"{name}: the loss went from {first:.3f} to {last:.3f} in {run.step} steps")
        if not last < first:
            sys.exit(f"sprites-train: the loss of {name} did not fall.")


if __name__ == "__main__":
    main()
