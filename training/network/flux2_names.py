"""FLUX.2's weights in ComfyUI's names, which are its publisher's, from diffusers' and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

MARK = "double_stream_modulation_img.lin.weight"  # no other model has it in these names
OUTSIDE = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
    "guidance_in.in_layer": "time_guidance_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_guidance_embed.guidance_embedder.linear_2",
    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
    "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
    "single_stream_modulation.lin": "single_stream_modulation.linear",
    "final_layer.linear": "proj_out",
}
DOUBLE = {
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mlp.0": "ff.linear_in",
    "img_mlp.2": "ff.linear_out",
    "txt_mlp.0": "ff_context.linear_in",
    "txt_mlp.2": "ff_context.linear_out",
}
SINGLE = {
    "linear1": "attn.to_qkv_mlp_proj",
    "linear2": "attn.to_out",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
}
JOINED = {  # one matrix there, three here
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
LAST = ("final_layer.adaLN_modulation.1.weight", "norm_out.linear.weight")  # its halves change places


def hosts_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """KeyError: a weight is missing."""
    blocks = _blocks(state, "transformer_blocks"), _blocks(state, "single_transformer_blocks")
    named = {there: state[here] for there, here in _same(*blocks) if here in state}
    for there, parts in _joined(blocks[0]):
        named[there] = torch.cat([state[part] for part in parts])
    return named | {LAST[0]: _swapped(state[LAST[1]])}


def diffusers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {re.sub(r"_norm\.weight$", "_norm.scale", name): value for name, value in state.items()}
    blocks = _blocks(state, "double_blocks"), _blocks(state, "single_blocks")
    named = {here: state[there] for there, here in _same(*blocks) if there in state}
    for there, parts in _joined(blocks[0]):
        named |= zip(parts, state[there].chunk(len(parts)))
    return named | {LAST[1]: _swapped(state[LAST[0]])}


def _same(doubles: int, singles: int) -> Iterator[tuple[str, str]]:
    for there, here in OUTSIDE.items():
        yield f"{there}.weight", f"{here}.weight"
    for kind, count, own, names in (
        ("double_blocks", doubles, "transformer_blocks", DOUBLE),
        ("single_blocks", singles, "single_transformer_blocks", SINGLE),
    ):
        for i in range(count):
            for there, here in names.items():
                last = "scale" if "norm" in there else "weight"
                yield f"{kind}.{i}.{there}.{last}", f"{own}.{i}.{here}.weight"


def _joined(doubles: int) -> Iterator[tuple[str, list[str]]]:
    for i in range(doubles):
        for there, parts in JOINED.items():
            parts = [f"transformer_blocks.{i}.{part}.weight" for part in parts]
            yield f"double_blocks.{i}.{there}.weight", parts


def _blocks(state: Mapping[str, Tensor], kind: str) -> int:
    return len({m[1] for name in state if (m := re.match(rf"{kind}\.(\d+)\.", name))})


def _swapped(weight: Tensor) -> Tensor:
    shift, scale = weight.chunk(2)
    return torch.cat([scale, shift])
