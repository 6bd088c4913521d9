"""From a subject's pictures to image tokens: the host's vision encoder, then the adapter's projection."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ....anyms_attention import pooled_by_probe
from .adapter_files import Adapter

OUTPUT = {"embeds": "image_embeds", "states": "penultimate_hidden_states", "siglip": "last_hidden_state"}


def subject_tokens(adapter: Adapter, clip_vision: Any, image: Tensor) -> Tensor:
    """[1,t,w]: views [views,H,W,3] in a row. Each is seen whole, on a white square."""
    seen = _seen(adapter, clip_vision, _squared(image))
    return adapter.kind.tokens(seen, _floats(adapter.projection)).flatten(0, 1)[None]


def empty_tokens(adapter: Adapter, clip_vision: Any) -> Tensor:
    """[1,t,w]: what the negative prompt sees instead: an embedding of zeros, or a picture without any."""
    if adapter.kind.sees == "states":
        mean = torch.tensor(clip_vision.image_mean)  # becomes zeros
        seen = _seen(adapter, clip_vision, mean.expand(1, 224, 224, 3))
    else:
        seen = torch.zeros(1, adapter.sees)
    return adapter.kind.tokens(seen, _floats(adapter.projection))


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
    return _pooled(adapter, seen.float()) if kind.sees == "siglip" else seen.float()


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
    return {key: value.float() for key, value in weights.items()}
