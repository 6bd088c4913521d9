"""`make anyms-train`: the vision encoder and the image adapter of Sprites, as settings.yaml says."""

from __future__ import annotations

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


def read_settings() -> dict:
    return yaml.safe_load(SETTINGS.read_text())


def main() -> None:
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
    run = train_adapter(settings["adapter"], Embed(VISION), RUNS / "adapter_run.safetensors")
    size = sum(t.numel() for t in run.average.values()) / 1e6
    adapter = Made(
        publish(run.average, ADAPTER, torch.bfloat16),
        f"The image adapter, InstantX's shape with {size:.1f} million parameters, trained on pictures of one "
        "subject beside the frozen base.",
        how_trained(run, settings["adapter"]["seed"]),
    )
    write_page(MODELS, [vision, adapter], SETTINGS, "make anyms-train", "results.md")


if __name__ == "__main__":
    main()
