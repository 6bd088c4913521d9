"""FLUX.1: the picture's rows, beside a block's joint attention (InstantX) or after the block (XLabs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor

from ....anyms_attention import add_image
from ..families import family_of
from .beside import Beside

LATENT = "anyms_latent"  # among transformer_options: rows and columns of the latent
QUERY = "anyms_query"  # likewise, of one block: its queries before RoPE
SLOT = "anyms_slot"  # likewise: where to leave them for what comes after the block


def patch(model: ModelPatcher, beside: Beside, after_block: bool) -> None:
    """On a clone."""
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "anyms", _note_latent)
    model.set_model_attn1_patch(_keep_query)
    hooks = _Hooks(beside, model)
    if not after_block:
        model.set_model_attn1_output_patch(hooks.in_block)
        return
    there = model.model_options.get("transformer_options", {}).get("patches_replace", {}).get("dit", {})
    for block in range(len(beside.held.keys)):
        before = there.get(("double_block", block))
        model.set_model_patch_replace(hooks.after(block, before), "dit", "double_block", block)


def _note_latent(
    executor: WrapperExecutor,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    y: Tensor | None = None,
    guidance: Tensor | None = None,
    ref_latents: list[Tensor] | None = None,
    control: dict | None = None,
    transformer_options: dict | None = None,
    **kwargs: Any,
) -> Tensor:
    options = {**(transformer_options or {}), LATENT: tuple(x.shape[-2:])}
    return executor(x, timestep, context, y, guidance, ref_latents, control, options, **kwargs)


def _keep_query(q: Tensor, k: Tensor, v: Tensor, extra_options: dict, **kwargs: Any) -> dict:
    """The attn1 patch: q [B,H,L,D] after its norm and before RoPE."""
    extra_options[QUERY] = q
    if SLOT in extra_options:
        extra_options[SLOT][QUERY] = q
    return {}


def _query(kept: dict) -> Tensor:
    if QUERY not in kept:
        raise RuntimeError(
            "MUSAR AnyMS Layout was not shown a block's queries: another node replaced that block and leaves "
            "attn1 patches out. Remove that node."
        )
    return kept[QUERY]


class _Hooks:
    def __init__(self, beside: Beside, model: ModelPatcher) -> None:
        self.beside, self.family = beside, family_of(model)
        self.first, _ = self.family.first_blocks(model.model.diffusion_model)

    def in_block(self, attention: Tensor, options: dict) -> Tensor:
        """The attn1 output patch: attention [B,L,H·D], before its projection."""
        layer = self.first[options["block_type"]] + options["block_index"]
        if layer >= len(self.beside.held.keys) or not self.beside.acts(layer, options):
            return attention
        text = options["img_slice"][0]
        image = self._image(layer, _query(options), text, options)
        out = attention.clone()
        rows = slice(text, text + image.shape[1])
        out[:, rows] = add_image(out[:, rows], image, self.beside.weight)
        return out

    def after(self, block: int, before: Callable | None) -> Callable:
        """What replaces a double block: the block itself, or what was there, and then the image."""

        def run(args: dict, extra: dict) -> dict:
            options = args["transformer_options"]
            slot = options.get(SLOT, {})  # there where another layout's comes after the same block
            args = {**args, "transformer_options": {**options, SLOT: slot}}
            out = before(args, extra) if before else extra["original_block"](args)
            if not self.beside.acts(block, options):
                return out
            q = _query(slot)
            image = self._image(block, q, q.shape[2] - out["img"].shape[1], options)
            img = out["img"].clone()
            rows = slice(0, image.shape[1])
            img[:, rows] = add_image(img[:, rows], image, self.beside.weight)
            return {**out, "img": img}

        return run

    def _image(self, layer: int, q: Tensor, text: int, options: dict) -> Tensor:
        """Z_image [B,n,H·D] of the picture's rows, which follow the text's."""
        rows, columns = options[LATENT]
        self.beside.require_whole((rows, columns), options)
        target = self.family.tokens_of(rows, columns)
        q = q[:, :, text : text + target[0] * target[1]]
        picture = (columns * self.family.cell, rows * self.family.cell)
        return self.beside.image(layer, q, target, picture, options).transpose(1, 2).flatten(2)
