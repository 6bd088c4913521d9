"""A real ComfyUI in this process, and what both studies of SDXL need of it: random weights, no picture."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT

TRUE_DEPTH = {  # of SDXL: 70 layers of cross-attention
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
}
LAYERS = [1] * 4 + [2] * 20 + [2] * 30 + [1] * 6 + [2] * 10  # their widths: down, up, middle
BOXES = [(0.0, 0.125, 0.5, 0.75), (0.5, 0.25, 0.5, 0.75)]  # x, y, width, height of the picture
Call = Callable[..., tuple]


def open_host(*packs: Path) -> Call:
    """call("KSampler", …) runs a node of ComfyUI, of ours or of these packs and gives its outputs."""
    use_comfy()
    torch.set_grad_enabled(False)
    import nodes

    async def load() -> None:
        await nodes.init_builtin_extra_nodes()
        for pack in (ROOT, *packs):
            if not await nodes.load_custom_node(str(pack)):
                raise SystemExit(f"ComfyUI could not load {pack}; its log says why.")

    asyncio.run(load())

    def call(node_id: str, **inputs: Any) -> tuple:
        node = nodes.NODE_CLASS_MAPPINGS[node_id]
        if hasattr(node, "define_schema"):
            return node.PREPARE_CLASS_CLONE({"hidden_inputs": {}}).execute(**inputs).args
        return getattr(node(), node.FUNCTION)(**inputs)

    return call


def vision(projected: int, size: int = 224) -> Any:
    """A small encoder of ComfyUI's class, with random weights."""
    import comfy.clip_vision

    from tools.tiny import randomise

    config = {"num_channels": 3, "hidden_act": "gelu", "hidden_size": 64, "image_size": size}
    config |= {"intermediate_size": 96, "model_type": "clip_vision_model", "num_attention_heads": 2}
    config |= {"num_hidden_layers": 3, "patch_size": size // 4, "projection_dim": projected}
    encoder = comfy.clip_vision.ClipVisionModel(config)
    encoder.load_sd(randomise(encoder.model, 5))
    return encoder


def prompt(words: int, pooled: int, seed: int) -> list:
    g = torch.Generator().manual_seed(seed)
    return [[torch.randn(1, 77, words, generator=g), {"pooled_output": torch.randn(1, pooled, generator=g)}]]


def references(count: int = len(BOXES), side: int = 224) -> list[Tensor]:
    g = torch.Generator().manual_seed(7)
    return [torch.rand(1, side, side, 3, generator=g) for _ in range(count)]


def laid_out(call: Call, model: Any, adapter: Any, encoder: Any, side: int, merge: str = "crop") -> Any:
    """MUSAR AnyMS Layout for a picture of side × side pixels."""
    subjects = {
        f"subject_{k}": call("MusarSubject", image=image, phrase="thing", prompt="", strength=1.0)[0]
        for k, image in enumerate(references(), 1)
    }
    boxes = [dict(zip(("x", "y", "width", "height"), (side * part for part in box))) for box in BOXES]
    wired = {"clip_vision": encoder, "subjects": subjects, "boxes": [boxes], "merge": merge}
    return call("AnymsLayout", model=model, adapter=adapter, **wired)[0]


def timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """And the seconds of the processor: what runs beside it does not count."""
    start = time.process_time()
    out = run()
    return out, time.process_time() - start


def peak() -> float:
    """GB that this process had at most."""
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    )
