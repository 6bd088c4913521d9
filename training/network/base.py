"""The network to train on: a diffusers folder, or one safetensors file, in diffusers' names for FLUX.1 and in
ComfyUI's for FLUX.2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .family import FLUX2, Family, named
from .flux2_names import MARK, diffusers_names

HEAD = 128
SCALED = r"(weight_scale(_2)?|scale_weight|scale_input|input_scale|scaled_fp8|comfy_quant)$"


def load_base(path: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """ValueError says what is wrong with the path."""
    if path.is_dir():
        inside = inside_of(path)
        kind = family_in(path).kind
        return kind.from_pretrained(inside, torch_dtype=dtype, local_files_only=True)
    if not path.is_file():
        raise ValueError(
            f"base is {path}, and there is no such file or folder. Give FLUX.1-dev's folder in "
            "diffusers' format, or a safetensors file in diffusers' names."
        )
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"base {path} is not a whole safetensors file ({error}). Download it again."
        ) from None
    if scales := [n for n in state if re.search(SCALED, n)]:
        raise ValueError(
            f"base {path} holds weights in few bits with scales beside them ({scales[0]}), and training "
            "needs the whole ones. Give the file in 16 bits, or the folder in diffusers' format; quantise "
            "makes it small in memory."
        )
    if MARK in state:
        return _flux2({n: t.to(dtype) for n, t in diffusers_names(state).items()})
    if "context_embedder.weight" not in state:
        raise ValueError(
            f"base {path} is not in diffusers' names: it has no context_embedder.weight. Give the "
            "folder in diffusers' format."
        )
    hidden, context = state["context_embedder.weight"].shape
    with torch.device("meta"):
        flux = FluxTransformer2DModel(
            in_channels=state["x_embedder.weight"].shape[1],
            num_layers=_count(state, r"transformer_blocks\.(\d+)\."),
            num_single_layers=_count(state, r"single_transformer_blocks\.(\d+)\."),
            attention_head_dim=HEAD,
            num_attention_heads=hidden // HEAD,
            joint_attention_dim=context,
            pooled_projection_dim=state["time_text_embed.text_embedder.linear_1.weight"].shape[1],
            guidance_embeds="time_text_embed.guidance_embedder.linear_1.weight" in state,
        )
    flux.load_state_dict({n: t.to(dtype) for n, t in state.items()}, assign=True)
    return flux


def _flux2(state: dict[str, Tensor]) -> nn.Module:
    hidden, context = state["context_embedder.weight"].shape
    with torch.device("meta"):
        flux = FLUX2.kind(
            in_channels=state["x_embedder.weight"].shape[1],
            num_layers=_count(state, r"transformer_blocks\.(\d+)\."),
            num_single_layers=_count(state, r"single_transformer_blocks\.(\d+)\."),
            attention_head_dim=HEAD,
            num_attention_heads=hidden // HEAD,
            joint_attention_dim=context,
            guidance_embeds="time_guidance_embed.guidance_embedder.linear_1.weight" in state,
        )
    flux.load_state_dict(state, assign=True)
    return flux


def inside_of(folder: Path) -> Path:
    """Of a model's folder, that of its transformer."""
    inside = folder / "transformer"
    return inside if inside.is_dir() else folder


def family_in(folder: Path) -> Family:
    """ValueError: it is no folder of a model that can be trained."""
    file = inside_of(folder) / "config.json"
    if not file.is_file():
        raise ValueError(f"base is {folder}, which has no {file}. Give a folder in diffusers' format.")
    return named(json.loads(file.read_text()).get("_class_name", "model of no name"))


def _count(names: Iterable[str], pattern: str) -> int:
    return len({m[1] for name in names if (m := re.match(pattern, name))})
