"""`make sprites-train`: text encoder, VAE and FLUX of Sprites, as settings.yaml says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import yaml

from sprites.text_encoder import TextEncoder, text_weights
from tools.comfy_server import ROOT

from .flux import train_flux
from .loop import Run
from .publish import Made, how_trained, publish, write_page
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

    weights = text_weights(settings["text"]["seed"])
    text = Made(
        publish(weights, models / "sprites_text.safetensors", torch.float16),
        "The text encoder: a random vector for each word piece of T5, sinusoidal positions.",
        f"seed {settings['text']['seed']}; nothing is learned",
    )
    run = train_vae(settings["vae"], folder / "vae.safetensors")
    vae = Made(
        publish(run.average, models / "sprites_vae.safetensors", torch.float16),
        "The VAE, TAESD's shape with 16 channels: flat cells of 8×8 pixels to codes and back.",
        how_trained(run, settings["vae"]["seed"]),
    )
    runs = {"vae": run}

    encode = TextEncoder(weights)
    runs["flux"] = run = train_flux(settings["flux"], encode, folder / "flux.safetensors", not args.smoke)
    size = sum(p.numel() for p in run.model.parameters()) / 1e6
    flux = Made(
        publish(run.average, models / "sprites_flux.safetensors", torch.bfloat16),
        f"The base model: FLUX.1-dev's network with {size:.1f} million parameters, in diffusers' names.",
        how_trained(run, settings["flux"]["seed"]),
    )
    write_page(models, [flux, vae, text])
    if args.smoke:
        require_falling(runs)


def read_settings(smoke: bool) -> dict:
    settings = yaml.safe_load(SETTINGS.read_text())
    changes = settings.pop("smoke")
    if smoke:
        for part, values in changes.items():
            settings[part] |= values
    return settings


def require_falling(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        first, last = run.losses[0]["loss"], run.losses[-1]["loss"]
        print(f"{name}: the loss went from {first:.3f} to {last:.3f} in {run.step} steps")
        if not last < first:
            sys.exit(f"sprites-train: the loss of {name} did not fall.")


if __name__ == "__main__":
    main()
