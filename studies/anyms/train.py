"""`make anyms-train`: the vision encoder and the image adapter of Sprites, as settings.yaml says."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml

from tools.comfy_server import ROOT

from ..base_model.publish import Made, how_trained, publish, write_page
from .adapter import train_adapter
from .vision import Embed, encoder_file, read_right, train_vision

SETTINGS = Path(__file__).with_name("settings.yaml")
RUNS, MODELS = ROOT / ".run" / "anyms", ROOT / "demo" / "models" / "anyms"
VISION, ADAPTER = MODELS / "sprites_vision.safetensors", MODELS / "sprites_adapter.safetensors"
SHIPPED = "windows"  # of the adapters


def read_settings() -> dict:
    return yaml.safe_load(SETTINGS.read_text())


def adapter_file(name: str) -> Path:
    """Only the shipped one is committed."""
    return ADAPTER if name == SHIPPED else RUNS / f"{name}.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="ADAPTER", help="this adapter alone")
    args = parser.parse_args()
    settings = read_settings()
    for folder in (RUNS, MODELS):
        folder.mkdir(parents=True, exist_ok=True)
    run = train_vision(settings["vision"], RUNS / "vision_run.safetensors")
    kinds, cells = read_right(run)
    print(f"vision encoder: of held-out looks {kinds:.1%} of kinds and {cells:.1%} of cells are read right")
    vision = Made(
        publish(encoder_file(run.average), VISION, torch.bfloat16),
        "The vision encoder: a small network that was trained to read looks, with a pooling head of SigLIP's "
        f"shape. Of looks never trained on it reads {kinds:.1%} of kinds and {cells:.1%} of cells right.",
        how_trained(run, settings["vision"]["seed"]),
    )
    for name, shares in settings["adapters"].items():
        if args.only not in (None, name):
            continue
        run = train_adapter(
            name, settings["adapter"], shares, Embed(VISION), RUNS / f"{name}_run.safetensors"
        )
        publish(run.average, adapter_file(name), torch.bfloat16)
        if name == SHIPPED:
            size = sum(t.numel() for t in run.average.values()) / 1e6
            adapter = Made(
                ADAPTER,
                f"The image adapter, InstantX's shape with {size:.1f} million parameters, trained on "
                "pictures of one subject beside the frozen base.",
                how_trained(run, settings["adapter"]["seed"]),
            )
            write_page(MODELS, [vision, adapter], SETTINGS, "make anyms-train")


if __name__ == "__main__":
    main()
