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

VAE = "taef2"  # ComfyUI finds its two files by this name, and loads both
FLUX = "sprites_flux2.safetensors"
POOLED = {"taesd_encoder": (11, 12, 13), "taesd_decoder": (3, 4, 5)}


def make(
    settings: dict, runs: Path, models: Path, vae: Path, compiled: bool
) -> tuple[list[Made], dict[str, Run]]:
    """Into `models`; the VAE comes from FLUX.1's."""
    encoder = new_text(settings["text"], models)
    text = train_chat(settings["text"], encoder, runs / "text.safetensors")
    read = Made(
        publish(encoder.text.file(), models / TEXT, torch.float16),
        "The text encoder: Qwen3's network, in which six of 28 layers do something, behind klein's template.",
        how_trained(text, settings["text"]["seed"]),
    )
    wide = [
        Made(
            publish(half, models / name, torch.float16),
            "Half of the VAE: FLUX.1's of Sprites with every channel twice, as FLUX.2 has twice as many.",
            "computed, not trained",
        )
        for name, half in twice(load_file(vae)).items()
    ]
    told, start = [], None
    for number, own in enumerate(settings["flux"]["runs"], 1):
        chosen = {**settings["flux"], **own}
        flux = train_flux2(chosen, encoder, runs / f"flux_{number}.safetensors", compiled, start)
        told.append(how_trained(flux, chosen["seed"]))
        start = {n: t.cpu() for n, t in flux.average.items()}
    size = sum(p.numel() for p in flux.model.parameters()) / 1e6
    base = Made(
        publish(hosts_names(start), models / FLUX, torch.bfloat16),
        f"The base model: klein's network with {size:.1f} million parameters, in ComfyUI's names.",
        "; then from there: ".join(told),
    )
    return [base, *wide, read], {"text": text, "flux": flux}


def twice(vae: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A file for each half, in the names of FLUX.2's TAESD: 32 channels of latents from 16.

    Three blocks on either side of the latents have a second way there, which is silent here.
    """
    halves = {}
    for half, blocks in POOLED.items():
        own = {n.removeprefix(f"{half}."): t for n, t in vae.items() if n.startswith(f"{half}.")}
        for block in blocks:
            width = len(own[f"{block}.conv.0.bias"])
            shapes = {"0.weight": (4 * width, width, 1, 1), "3.weight": (width, 4 * width, 1, 1)}
            shapes |= {"1.weight": (4 * width,), "1.bias": (4 * width,)}
            own |= {f"{block}.pool.{name}": torch.zeros(shape) for name, shape in shapes.items()}
        halves[half] = own
    encoder, decoder = halves["taesd_encoder"], halves["taesd_decoder"]
    for name in ("14.weight", "14.bias"):
        encoder[name] = torch.cat([encoder[name]] * 2)
    decoder["1.weight"] = torch.cat([decoder["1.weight"] / 2] * 2, 1)
    return {f"{VAE}_encoder.safetensors": encoder, f"{VAE}_decoder.safetensors": decoder}
