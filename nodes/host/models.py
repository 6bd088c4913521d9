"""Which models can be routed. All others get a sentence of their own."""

from __future__ import annotations

import comfy.model_base
from comfy.ldm.flux.model import Flux
from comfy.model_patcher import ModelPatcher

TOKEN_INPUTS = 64  # 16 latent channels × a patch of 2 × 2


def require_flux1(model: ModelPatcher) -> None:
    """ValueError unless `model` is a FLUX.1 that takes reference tokens."""
    base = model.model
    kind = type(base)
    name = kind.__name__
    if not isinstance(base, comfy.model_base.Flux):
        raise ValueError(
            f"model is {name}, and MUSAR patches FLUX.1. Load FLUX.1 dev, schnell or Kontext with "
            "Load Diffusion Model."
        )
    if kind is not comfy.model_base.Flux:
        raise ValueError(_RELATIVES.get(name, _RELATIVES[None].format(name=name)))
    if not isinstance(base.diffusion_model, Flux):
        raise ValueError(
            f"model is a FLUX.1 that its loader runs by a network of its own "
            f"({type(base.diffusion_model).__name__}), as Nunchaku does: ComfyUI's patches do not reach "
            "into it. Load FLUX.1 dev, schnell or Kontext with Load Diffusion Model or a GGUF loader."
        )
    inputs = base.diffusion_model.in_channels
    if inputs != TOKEN_INPUTS:
        raise ValueError(
            f"model is {_WIDE.get(inputs, 'a FLUX.1 variant')} with {inputs} input channels instead "
            f"of {TOKEN_INPUTS}: it takes its picture beside the latent and has no room for "
            "reference tokens. Use FLUX.1 dev, schnell or Kontext."
        )


_RELATIVES = {
    "Flux2": "model is FLUX.2. It has another text encoder, another latent and other blocks, and "
    "MUSAR Routing is made for FLUX.1. Load FLUX.1 dev, schnell or Kontext.",
    "LongCatImage": "model is LongCat-Image. It is built like FLUX.1 but reads another text "
    "encoder, in which phrases cannot be found. Load FLUX.1 dev, schnell or Kontext.",
    "Chroma": "model is Chroma. It is built like FLUX.1 but was trained with other modulation and "
    "without reference tokens. Load FLUX.1 dev, schnell or Kontext.",
    None: "model is {name}, a relative of FLUX.1 that MUSAR Routing does not know. Load FLUX.1 dev, "
    "schnell or Kontext.",
}
_WIDE = {384: "FLUX.1 Fill", 128: "FLUX.1 Canny or Depth"}
