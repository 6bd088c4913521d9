"""Random image adapters in the keys and shapes of the published files, at any width."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

FLUX_ADAPTER, SDXL_ADAPTER = "tiny_flux_adapter.safetensors", "tiny_sdxl_adapter.safetensors"
SEES = 128  # what the demo's vision encoder gives a token
DEMO_SDXL = (64,) * 2 + (128,) * 4 + (128,) * 6 + (64,) * 3 + (128,) * 2  # layers of the demo pack's SDXL

TRUE = {
    "SDXL IP-Adapter": {"width": 2048, "sees": 1024, "tokens": 4},
    "SDXL IP-Adapter plus": {"width": 2048, "sees": 1280, "tokens": 16, "inner": 1280},
    "InstantX FLUX IP-Adapter": {"width": 4096, "sees": 1152, "tokens": 128, "inner": 2304},
    "XLabs FLUX IP-Adapter": {"width": 4096, "sees": 768, "tokens": 4},
}
SMALL = {  # of ViT-H's shape where a real one of the host must fit, else as small as can be
    "SDXL IP-Adapter": {"width": 32, "sees": 48, "tokens": 4},
    "SDXL IP-Adapter plus": {"width": 32, "sees": 64, "tokens": 6, "inner": 64},
    "InstantX FLUX IP-Adapter": {"width": 32, "sees": 64, "tokens": 8, "inner": 96},
    "XLabs FLUX IP-Adapter": {"width": 32, "sees": 48, "tokens": 4},
}


def write_adapters(folder: Path) -> None:
    """For the tiny FLUX and the demo pack's SDXL, into a ComfyUI models folder."""
    (folder / "ipadapter").mkdir(parents=True, exist_ok=True)
    for file, kind, layers in (
        (FLUX_ADAPTER, "InstantX FLUX IP-Adapter", [128] * (19 + 38)),
        (SDXL_ADAPTER, "SDXL IP-Adapter plus", list(DEMO_SDXL)),
    ):
        save_file(adapter_weights(kind, layers, SMALL[kind] | {"sees": SEES}), folder / "ipadapter" / file)


def projection_shapes(kind: str, width: int, sees: int, tokens: int, inner: int = 0) -> dict[str, tuple]:
    if kind == "SDXL IP-Adapter plus":
        shapes = {"latents": (1, tokens, inner), "proj_in.weight": (inner, sees), "proj_in.bias": (inner,)}
        shapes |= {"proj_out.weight": (width, inner), "proj_out.bias": (width,)}
        shapes |= {"norm_out.weight": (width,), "norm_out.bias": (width,)}
        for i in range(4):
            for norm in ("0.norm1", "0.norm2", "1.0"):
                shapes |= {f"layers.{i}.{norm}.{part}": (inner,) for part in ("weight", "bias")}
            shapes |= {f"layers.{i}.0.{to}.weight": (inner, inner) for to in ("to_q", "to_out")}
            shapes |= {f"layers.{i}.0.to_kv.weight": (2 * inner, inner)}
            shapes |= {f"layers.{i}.1.1.weight": (4 * inner, inner)}
            shapes |= {f"layers.{i}.1.3.weight": (inner, 4 * inner)}
        return shapes
    shapes = {"norm.weight": (width,), "norm.bias": (width,)}
    if kind == "InstantX FLUX IP-Adapter":
        shapes |= {"proj.0.weight": (inner, sees), "proj.0.bias": (inner,)}
        return shapes | {"proj.2.weight": (tokens * width, inner), "proj.2.bias": (tokens * width,)}
    return shapes | {"proj.weight": (tokens * width, sees), "proj.bias": (tokens * width,)}


def adapter_shapes(kind: str, layers: list[int], sizes: dict | None = None) -> dict[str, tuple]:
    """`layers`: the width of the base in each layer that the adapter covers."""
    sizes = sizes or SMALL[kind]
    xlabs = kind == "XLabs FLUX IP-Adapter"
    prefix = "ip_adapter_proj_model." if xlabs else "image_proj."
    shapes = {prefix + key: shape for key, shape in projection_shapes(kind, **sizes).items()}
    for n, width in enumerate(layers):
        for part in "kv":
            if xlabs:
                at = f"double_blocks.{n}.processor.ip_adapter_double_stream_{part}_proj"
                shapes |= {f"{at}.weight": (width, sizes["width"]), f"{at}.bias": (width,)}
            else:
                at = f"ip_adapter.{n if 'FLUX' in kind else 2 * n + 1}.to_{part}_ip.weight"
                shapes[at] = (width, sizes["width"])
    return shapes


def adapter_weights(
    kind: str, layers: list[int], sizes: dict | None = None, seed: int = 0
) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in adapter_shapes(kind, layers, sizes).items():
        value = torch.randn(shape, generator=g) * (shape[1] ** -0.5 if len(shape) == 2 else 1)
        if len(shape) == 1:
            value = value * 0.1 + (key.endswith("weight"))
        state[key] = value
    return state


def head_weights(width: int = 64, seed: int = 1) -> dict[str, Tensor]:
    """SigLIP's pooling head, as in a file for Load CLIP Vision."""
    g = torch.Generator().manual_seed(seed)
    shapes = {"probe": (1, 1, width)}
    for name, out, inputs in (
        ("attention.in_proj_", 3 * width, width),
        ("attention.out_proj.", width, width),
        ("mlp.fc1.", 2 * width, width),
        ("mlp.fc2.", width, 2 * width),
    ):
        shapes |= {f"{name}weight": (out, inputs), f"{name}bias": (out,)}
    state = {k: torch.randn(s, generator=g) * s[-1] ** -0.5 for k, s in shapes.items()}
    state |= {"layernorm.weight": torch.ones(width), "layernorm.bias": torch.zeros(width)}
    return {f"vision_model.head.{key}": value for key, value in state.items()}
