"""The graphs of FLUX.2 on random weights of its shape, by the graphs' names: so are they tested as
they are, with the files of FLUX.2. The pictures are noise, so none is kept.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from tools.tiny_flux2 import flux2_vae_weights, flux2_weights, qwen_weights

from .bases import FLUX2_DEV, KLEIN, KLEIN_BASE, KLEIN_CACHED

HIDDEN = 128
BLOCKS = {KLEIN: (5, 20), KLEIN_BASE: (5, 20), KLEIN_CACHED: (8, 24), FLUX2_DEV: (8, 48)}


def with_tiny_flux2(base: Path) -> Path:
    """In a server's folder. Dev's text encoder is klein's here: its own brings its tokenizer with it."""
    models = base / "models"
    for folder in ("diffusion_models", "text_encoders", "vae"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    words = models / "text_encoders" / KLEIN.encoder
    save_file(qwen_weights(), words)
    save_file(flux2_vae_weights(), models / "vae" / KLEIN.vae)
    for graph, (depth, singles) in BLOCKS.items():
        weights = flux2_weights(HIDDEN, depth, singles, guidance=graph is FLUX2_DEV)
        save_file(weights, models / "diffusion_models" / graph.model)
        link = models / "text_encoders" / graph.encoder
        if not link.exists():
            link.symlink_to(words)
    return base


def is_flux2(prompt: dict) -> bool:
    return any(node["class_type"] == "EmptyFlux2LatentImage" for node in prompt.values())


def is_sdxl(prompt: dict) -> bool:
    return any(node["class_type"] == "CheckpointLoaderSimple" for node in prompt.values())


def is_cached(prompt: dict) -> bool:
    return any(node["class_type"] == "FluxKVCache" for node in prompt.values())
