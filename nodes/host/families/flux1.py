"""FLUX.1: dev, schnell and Kontext."""

from __future__ import annotations

import comfy.model_base
from comfy.model_base import BaseModel

from .family import Family
from .flux1_loras import check_lora
from .flux_network import BLOCKS, STREAMS, other_network
from .preset import Preset
from .t5 import T5

NAME, MODELS = "FLUX.1", "FLUX.1 dev, schnell or Kontext"
CHANNELS, CELL, PATCH = 16, 8, 2
TOKEN_INPUTS = CHANNELS * PATCH * PATCH  # of img_in, where nothing lies beside the picture

RELATIVES = {
    "LongCatImage": "model is LongCat-Image. It is built like FLUX.1 but reads another text "
    f"encoder, in which phrases cannot be found. Load {MODELS}.",
    "Chroma": "model is Chroma. It is built like FLUX.1 but was trained with other modulation and "
    f"without reference tokens. Load {MODELS}.",
    None: f"model is {{name}}, a relative of FLUX.1 that MUSAR Routing does not know. Load {MODELS}.",
}
WIDE = {384: "FLUX.1 Fill", 128: "FLUX.1 Canny or Depth"}


def claims(base: BaseModel) -> bool:
    return isinstance(base, comfy.model_base.Flux)


def refusal(base: BaseModel) -> str | None:
    name = type(base).__name__
    if type(base) is not comfy.model_base.Flux:
        return RELATIVES.get(name, RELATIVES[None].format(name=name))
    network = other_network(base, NAME, MODELS)
    if network:
        return network
    inputs = base.diffusion_model.in_channels
    if inputs != TOKEN_INPUTS:
        return (
            f"model is {WIDE.get(inputs, 'a FLUX.1 variant')} with {inputs} input channels instead "
            f"of {TOKEN_INPUTS}: it takes its picture beside the latent and has no room for "
            f"reference tokens. Use {MODELS}."
        )
    return None


FLUX1 = Family(
    name=NAME,
    models=MODELS,
    vae="FLUX.1's ae.safetensors",
    claims=claims,
    refusal=refusal,
    text=T5(),
    channels=CHANNELS,
    cell=CELL,
    patch=PATCH,
    planes=1,
    unusable_methods={
        "index_timestep_zero": "References are set to index_timestep_zero (by Edit Model Reference Method "
        "or Flux KV Cache), which FLUX.1 cannot run. Remove that node; positions of MUSAR Conditioning "
        "places the references."
    },
    blocks=BLOCKS,
    streams=STREAMS,
    presets=(
        Preset("MUSAR", "diagonal", static=True, dual=True),
        Preset("UNO", "diagonal", static=False, lora=True),
        Preset("Kontext", "index", static=False),
        Preset("UNO, four or more", "diagonal", static=True, off_prompt=True),
        Preset("Kontext, one place", "index", static=False, places=1),
        Preset("MUSAR, four or more", "diagonal", static=True, dual=True, places=1),
    ),
    layout_until=0.3,
    check_lora=check_lora,
)
