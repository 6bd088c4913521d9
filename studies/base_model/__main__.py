"""`make sprites-train`: text encoder, VAE and FLUX of Sprites, as settings.yaml says; crowd.yaml has the less
kind ones, which need no VAE of their own, and flux2.yaml those of FLUX.2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import yaml

from sprites.text_encoder import TextEncoder, mixing_weights, text_weights
from tools.comfy_server import ROOT

from .flux import train_flux
from .flux2_models import make as make_flux2
from .loop import Run
from .publish import Made, how_trained, publish, write_page
from .vae import train_vae

SETTINGS = Path(__file__).with_name("settings.yaml")
FOLDER = ROOT / ".run" / "sprites"
MODELS = ROOT / "demo" / "models"
VAE = "sprites_vae.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything, nothing kept")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--crowd", action="store_true", help="of the less kind world")
    which.add_argument("--flux2", action="store_true", help="of FLUX.2")
    args = parser.parse_args()
    name = "crowd" if args.crowd else "flux2" if args.flux2 else "sprites"
    file = SETTINGS.with_name(f"{name}.yaml") if name != "sprites" else SETTINGS
    settings = read_settings(args.smoke, file)
    folder = FOLDER.with_name(f"{name}-smoke" if args.smoke else name)
    models = folder if args.smoke else MODELS if name == "sprites" else MODELS / name
    if args.smoke:
        for old in folder.glob("*"):
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    if args.flux2:
        made, runs = make_flux2(settings, folder, models, MODELS / VAE, not args.smoke)
    else:
        made, runs = make_flux1(settings, folder, models, not args.smoke)
    option = "" if name == "sprites" else f" {name.upper()}=1"
    write_page(models, made, file, f"make sprites-train{option}")
    if args.smoke:
        require_falling(runs)


def make_flux1(
    settings: dict, folder: Path, models: Path, compiled: bool
) -> tuple[list[Made], dict[str, Run]]:
    made, runs = [], {}
    mixes = settings["text"].get("mixes", False)
    weights = (mixing_weights if mixes else text_weights)(settings["text"]["seed"])
    text = Made(
        publish(weights, models / "sprites_text.safetensors", torch.float16),
        "The text encoder: a random vector for each word piece of T5, sinusoidal positions"
        + (", and two rounds in which words take up their neighbours." if mixes else "."),
        f"seed {settings['text']['seed']}; nothing is learned",
    )
    if "vae" in settings:
        runs["vae"] = run = train_vae(settings["vae"], folder / "vae.safetensors")
        vae = Made(
            publish(run.average, models / VAE, torch.float16),
            "The VAE, TAESD's shape with 16 channels: flat cells of 8×8 pixels to codes and back.",
            how_trained(run, settings["vae"]["seed"]),
        )
        made = [vae]
    encode = TextEncoder(weights)
    runs["flux"] = run = train_flux(settings["flux"], encode, folder / "flux.safetensors", compiled)
    size = sum(p.numel() for p in run.model.parameters()) / 1e6
    start = settings["flux"].get("start")
    flux = Made(
        publish(run.average, models / "sprites_flux.safetensors", torch.bfloat16),
        f"The base model: FLUX.1-dev's network with {size:.1f} million parameters, in diffusers' names"
        + (f", trained on from {start}." if start else "."),
        how_trained(run, settings["flux"]["seed"]),
    )
    return [flux, *made, text], runs


def read_settings(smoke: bool, file: Path = SETTINGS) -> dict:
    settings = yaml.safe_load(file.read_text())
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
