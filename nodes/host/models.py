"""Which models can be routed. All others get a sentence of their own."""

from __future__ import annotations

import comfy.model_base

TOKEN_INPUTS = 64  # 16 latent channels × a patch of 2 × 2


def require_flux1(model) -> None:
    """ValueError unless `model` is a FLUX.1 that takes reference tokens."""
    base = model.model
    kind = type(base)
    name = kind.__name__
    if not isinstance(base, comfy.model_base.Flux):
        raise ValueError(
            f"model is {_article(name)} model, and MUSAR Routing patches FLUX.1. Load FLUX.1 dev, "
            "schnell or Kontext with Load Diffusion Model."
        )
    if kind is not comfy.model_base.Flux:
        raise ValueError(_RELATIVES.get(name, _RELATIVES[None].format(name=name)))
    inputs = getattr(base.diffusion_model, "in_channels", TOKEN_INPUTS)
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


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOUS' else 'a'} {name}"
