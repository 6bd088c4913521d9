"""SDXL: beside the text in every cross-attention layer, at every resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from comfy.ldm.modules.attention import optimized_attention
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ....anyms_attention import add_image
from .beside import Beside

CELL = 8  # pixels a latent cell covers
Place = tuple[str, int, int]  # input, output or middle; its number; which layer of it


def cross_attentions(network: nn.Module) -> dict[Place, nn.Module]:
    """The attention layers that read the prompt, in the order of adapters' files: down, up, middle."""
    found = {}
    for name, blocks in (
        ("input", network.input_blocks),
        ("output", network.output_blocks),
        ("middle", [network.middle_block]),
    ):
        for number, block in enumerate(blocks):
            for index, layer in enumerate(_transformers(block)):
                if layer.attn2 is not None:
                    found[name, number, index] = layer.attn2
    return found


def _transformers(block: nn.Module) -> Iterator[nn.Module]:
    for module in block:
        yield from getattr(module, "transformer_blocks", ())


def is_unet(network: nn.Module) -> bool:
    return isinstance(network, UNetModel)


def patch(model: ModelPatcher, beside: Beside) -> None:
    """On a clone. What other nodes put there before is asked for the text's part."""
    there = model.model_options.get("transformer_options", {}).get("patches_replace", {}).get("attn2", {})
    for layer, place in enumerate(cross_attentions(model.model.diffusion_model)):
        before = there.get(place, there.get(place[:2]))
        model.set_model_attn2_replace(_Decoupled(beside, layer, before), *place)


class _Decoupled:
    """attn2 of one layer: q, k, v [B,n,H·D] of the text in, its attention and the image's out."""

    def __init__(self, beside: Beside, layer: int, before: Callable | None) -> None:
        self.beside, self.layer, self.before = beside, layer, before

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
        text = (self.before or _plain)(q, k, v, options)
        if not self.beside.acts(self.layer, options):
            return text
        heads = q.unflatten(-1, (options["n_heads"], -1)).transpose(1, 2)  # B n (H D) -> B H n D
        target = tuple(options["activations_shape"][-2:])
        rows, columns = options["original_shape"][-2:]
        self.beside.require_whole((rows, columns), options)
        image = self.beside.image(self.layer, heads, target, (columns * CELL, rows * CELL), options)
        return add_image(text, image.transpose(1, 2).flatten(2), self.beside.weight)

    def add(self, *args: Any, **kwargs: Any) -> None:
        """As IPAdapter and InstantID join their own, where a layer is replaced already."""
        raise ValueError(
            "This node adds to the attention of MUSAR AnyMS Layout, which lets no other in. Put it before "
            "MUSAR AnyMS Layout."
        )


def _plain(q: Tensor, k: Tensor, v: Tensor, options: dict) -> Tensor:
    return optimized_attention(
        q, k, v, options["n_heads"], attn_precision=options["attn_precision"], transformer_options=options
    )
