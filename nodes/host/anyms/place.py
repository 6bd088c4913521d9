"""An AnyMS Layout on a clone of the model, once adapter, encoder and model were seen to fit."""

from __future__ import annotations

import uuid
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..families import FAMILIES
from ..managed import managed
from ..settings import window as sigmas_of
from . import flux, unet
from .adapter_files import Adapter
from .beside import Beside, KeysValues
from .kinds import FLUX, SDXL
from .layout import Layout
from .vision import image_tokens

LAYOUTS = "anyms_layouts"  # attachment of the model


def layouts_of(model: ModelPatcher) -> tuple[Layout, ...]:
    return model.get_attachment(LAYOUTS) or ()


def place(
    model: ModelPatcher,
    adapter: Adapter,
    clip_vision: Any,
    images: list[Tensor],
    layout: Layout,
    weight: float,
    window: tuple[float, float],
) -> ModelPatcher:
    """`images`: of the layout's subjects, in its order."""
    depth = fit(model, adapter)
    tokens = image_tokens(adapter, clip_vision, images)
    held = KeysValues(adapter, tokens, depth, model.model.get_dtype_inference())
    sampling = model.get_model_object("model_sampling")
    sigmas = sigmas_of(sampling, *window)

    patched = model.clone()
    before = layouts_of(model)
    key = f"{LAYOUTS}_{uuid.uuid4().hex}"  # the host takes clones with equal keys for the same model
    patched.set_additional_models(key, [managed(held, model, "MUSAR AnyMS Layout")])
    beside = Beside(held, layout, weight, sigmas)
    patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, key, beside.begin_run)
    if adapter.kind.base == SDXL:
        unet.patch(patched, beside)
    else:
        flux.patch(patched, beside, adapter.kind.after_block)
    patched.set_attachments(LAYOUTS, (*before, layout))
    return patched


def fit(model: ModelPatcher, adapter: Adapter) -> list[int]:
    """The width of a head in each layer that the adapter covers; ValueError if it is for another model."""
    base, network, kind = base_of(model), model.model.diffusion_model, adapter.kind
    if base != kind.base:
        raise ValueError(
            f"{adapter.name} is an {kind.name}, and model is of {base}. Connect a model of {kind.base}, or "
            f"choose an adapter for {base}."
        )
    if base == SDXL:
        heads = [(layer.heads, layer.dim_head) for layer in unet.cross_attentions(network).values()]
    else:
        params = network.params
        count = params.depth + (params.depth_single_blocks if kind.blocks == "all" else 0)
        heads = [(params.num_heads, params.hidden_size // params.num_heads)] * count
    wants, has = [layer.width for layer in adapter.layers], [count * width for count, width in heads]
    if wants != has:
        raise ValueError(
            f"{adapter.name} is made for {_said(wants)}, and model has {_said(has)}. Choose an adapter for "
            "this very base."
        )
    return [width for _, width in heads]


def base_of(model: ModelPatcher) -> str:
    if unet.is_unet(model.model.diffusion_model):
        return SDXL
    family = next((family for family in reversed(FAMILIES) if family.claims(model.model)), None)
    if family is None or family.refusal(model.model):
        kind = type(model.model).__name__ + (" of another kind than dev or schnell" if family else "")
        raise ValueError(
            f"model is {kind}, and image adapters are known here for {SDXL} and {FLUX}. Load one of these."
        )
    return family.name


def _said(widths: list[int]) -> str:
    return f"{len(widths)} attention layers of widths {', '.join(map(str, sorted(set(widths))))}"
