"""From a subject's pictures to image tokens: the host's vision encoder, then the adapter's projection."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ....anyms_attention import pooled_by_probe
from .adapter_files import Adapter

LARGE = 1 << 28  # numbers
OUTPUT = {"embeds": "image_embeds", "states": "penultimate_hidden_states", "siglip": "last_hidden_state"}


def image_tokens(adapter: Adapter, clip_vision: Any, images: list[Tensor]) -> list[Tensor]:
    """[1,t,w] of each subject, and of what the negative prompt sees instead, last.

    Views [views,H,W,3] of a subject lie in a row, each seen whole, on a white square.
    """
    seen = [_seen(adapter, clip_vision, _squared(image)) for image in images]
    seen.append(_nothing(adapter, clip_vision))
    weights = _floats(adapter.projection)
    return [adapter.kind.tokens(each, weights).flatten(0, 1)[None] for each in seen]


def _nothing(adapter: Adapter, clip_vision: Any) -> Tensor:
    """As its publisher does: an embedding of zeros, or what an empty picture gives."""
    if adapter.kind.empty == "embedding":
        return torch.zeros(1, adapter.sees)
    colour = {"mean": clip_vision.image_mean, "black": (0.0, 0.0, 0.0)}[adapter.kind.empty]
    return _seen(adapter, clip_vision, torch.tensor(colour).expand(1, 224, 224, 3))


def _seen(adapter: Adapter, clip_vision: Any, image: Tensor) -> Tensor:
    kind = adapter.kind
    seen = clip_vision.encode_image(image, crop=False)[OUTPUT[kind.sees]]
    pooled = kind.sees == "embeds"
    if seen is None or seen.ndim != (2 if pooled else 3) or seen.shape[-1] != adapter.sees:
        what = "nothing" if seen is None else f"{seen.shape[-1]} numbers{' a part' * (seen.ndim == 3)}"
        raise ValueError(
            f"clip_vision gives {what} of a picture, and {adapter.name} ({kind.name}) reads {adapter.sees} "
            f"{'of the whole' if pooled else 'a part'}: it was trained with {kind.encoder}. Load that one in "
            "Load CLIP Vision."
        )
    seen = seen.float().cpu()  # where the adapter's weights are, also under --gpu-only
    return _pooled(adapter, seen) if kind.sees == "siglip" else seen


def _pooled(adapter: Adapter, seen: Tensor) -> Tensor:
    head = _floats(adapter.head or {})
    if head["probe"].shape[-1] != adapter.sees:
        raise ValueError(
            f"The pooling head chosen in siglip is {head['probe'].shape[-1]} wide, and {adapter.name} reads "
            f"{adapter.sees}. Choose the file that Load CLIP Vision reads ({adapter.kind.encoder})."
        )
    return pooled_by_probe(seen, head)


def _squared(image: Tensor) -> Tensor:
    """[views,H,W,3] in the middle of white squares."""
    height, width = image.shape[1:3]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return F.pad(image, (0, 0, left, side - width - left, top, side - height - top), value=1.0)


def _floats(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """But for what is gigabytes (InstantX's): that is made so piece by piece."""
    return {key: value if value.numel() > LARGE else value.float() for key, value in weights.items()}
