"""`make sprites-train FLUX2=1`: text encoder, VAE and network of Sprites of FLUX.2, as flux2.yaml says."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.encoders.sprites_flux2 import TEXT
from training.network.flux2_names import hosts_names

from .chat import new_text, train_chat
from .flux2 import train_flux2
from .loop import Run
from .publish import Made, how_trained, publish

VAE = "sprites_flux2_vae.safetensors"
FLUX = "sprites_flux2.safetensors"


def make(settings: dict, runs: Path, models: Path, vae: Path, compiled: bool) -> tuple[list[Made], dict[str, Run]]:
    """Into `models`; the VAE comes from FLUX.1's."""
    encoder = new_text(settings["text"], models)
    text = train_chat(settings["text"], encoder, runs / "text.safetensors")
    read = Made(
        publish(encoder.text.file(), models / TEXT, torch.float16),
        "The text encoder: Qwen3's network, of 28 layers six that do something, behind klein's chat template.",
        how_trained(text, settings["text"]["seed"]),
    )
    wide = Made(
        publish(twice(load_file(vae)), models / VAE, torch.float16),
        "The VAE: FLUX.1's of Sprites with every channel twice, as FLUX.2 has twice as many.",
        "computed, not trained",
    )
    flux = train_flux2(settings["flux"], encoder, runs / "flux.safetensors", compiled)
    size = sum(p.numel() for p in flux.model.parameters()) / 1e6
    base = Made(
        publish(hosts_names(flux.average), models / FLUX, torch.bfloat16),
        f"The base model: klein's network with {size:.1f} million parameters, in ComfyUI's names.",
        how_trained(flux, settings["flux"]["seed"]),
    )
    return [base, wide, read], {"text": text, "flux": flux}


def twice(vae: dict[str, Tensor]) -> dict[str, Tensor]:
    """32 channels of latents from 16, in TAESD's names; FLUX.2's latents have no scale of their own."""
    last = max(int(name.split(".")[1]) for name in vae if name.startswith("taesd_encoder."))
    first = "taesd_decoder.1.weight"
    both = {n: torch.cat([vae[n]] * 2) for n in (f"taesd_encoder.{last}.weight", f"taesd_encoder.{last}.bias")}
    own = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    return vae | both | {first: torch.cat([vae[first] / 2] * 2, 1)} | own
