"""FLUX.2: dev and klein."""

from __future__ import annotations

import comfy.model_base
from comfy.model_base import BaseModel

from .chat_text import ChatText
from .family import Family
from .flux2_loras import check_lora
from .flux_network import BLOCKS, STREAMS, other_network
from .preset import Preset

NAME, MODELS = "FLUX.2", "FLUX.2 dev or klein"
CHANNELS, CELL, PATCH = 128, 16, 1
PLANES = 10  # references lie on planes 10, 20, …


def claims(base: BaseModel) -> bool:
    return isinstance(base, comfy.model_base.Flux2)


def refusal(base: BaseModel) -> str | None:
    if type(base) is not comfy.model_base.Flux2:
        return (
            f"model is {type(base).__name__}, a relative of {NAME} that MUSAR Routing does not know. "
            f"Load {MODELS}."
        )
    network = other_network(base, NAME, MODELS)
    if network:
        return network
    inputs = base.diffusion_model.in_channels
    if inputs != CHANNELS:
        return (
            f"model is a FLUX.2 variant with {inputs} input channels instead of {CHANNELS}: it takes its "
            f"picture beside the latent and has no room for reference tokens. Use {MODELS}."
        )
    return None


FLUX2 = Family(
    name=NAME,
    models=MODELS,
    vae="FLUX.2's flux2-vae.safetensors",
    claims=claims,
    refusal=refusal,
    text=ChatText(),
    channels=CHANNELS,
    cell=CELL,
    patch=PATCH,
    planes=PLANES,
    unusable_methods={},
    blocks=BLOCKS,
    streams=STREAMS,
    presets=(
        Preset(NAME, "index", static=False, owners_by="reference"),
        Preset(
            f"{NAME}, four or more",
            "index",
            static=False,
            evidence="sharp",
            owners_by="attention",
            remember=True,
            smooth=True,
        ),
        Preset("MUSAR", "index", static=True, dual=True),
    ),
    layout_until=0.0,
    check_lora=check_lora,
)
