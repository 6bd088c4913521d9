"""FLUX.1: dev, schnell and Kontext."""

from __future__ import annotations

import comfy.model_base
from comfy.ldm.flux.model import Flux
from comfy.model_base import BaseModel

from .family import Family
from .flux1_loras import check_lora
from .preset import Preset
from .t5 import T5

NAME, MODELS = "FLUX.1", "FLUX.1 dev, schnell or Kontext"
CHANNELS, CELL, PATCH = 16, 8, 2
TOKEN_INPUTS = CHANNELS * PATCH * PATCH  # of img_in, where nothing lies beside the picture

RELATIVES = {
    "Flux2": "model is FLUX.2. It has another text encoder, another latent and other blocks, and "
    f"MUSAR Routing is made for FLUX.1. Load {MODELS}.",
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
    if not isinstance(base.diffusion_model, Flux):
        return (
            f"model is a FLUX.1 that its loader runs by a network of its own "
            f"({type(base.diffusion_model).__name__}), as Nunchaku does: ComfyUI's patches do not reach "
            f"into it. Load {MODELS} with Load Diffusion Model or a GGUF loader."
        )
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
    unusable_methods={
        "index_timestep_zero": "References are set to index_timestep_zero (by Edit Model Reference Method "
        "or Flux KV Cache), which FLUX.1 cannot run. Remove that node; positions of MUSAR Conditioning "
        "places the references."
    },
    blocks={"double": "double_blocks", "single": "single_blocks"},
    streams={
        r"double_blocks\.\d+\.txt_(attn\.(qkv|proj)|mlp\.\d)|txt_in": "text",
        r"double_blocks\.\d+\.img_(attn\.(qkv|proj)|mlp\.\d)|img_in|final_layer\.linear": "image",
        r"single_blocks\.\d+\.linear[12]": "joint",
    },
    presets=(
        Preset("MUSAR", "diagonal", static=True, dual=True),
        Preset("UNO", "diagonal", static=False),
        Preset("Kontext", "index", static=False),
        Preset("UNO, four or more", "diagonal", static=True, off_prompt=True),
    ),
    check_lora=check_lora,
)
