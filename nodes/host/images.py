"""References and regions: from an IMAGE and its masks to pixels the VAE takes."""

from __future__ import annotations

import comfy.utils
import torch
from torch import Tensor

from .families import SMALLEST_TOKEN

VIEWS = 16  # of one subject


def cut_out(image: Tensor, mask: Tensor | None = None) -> Tensor:
    """RGB references [views,H,W,3]; what alpha and mask leave out becomes white."""
    if image.ndim != 4 or not 1 <= image.shape[0] <= VIEWS:
        raise ValueError(
            f"image holds {image.shape[0]} pictures; a subject takes from 1 to {VIEWS}, each another view of "
            "it. Pick some with Get Image from Batch, or make a MUSAR Subject for each."
        )
    views = image.shape[0]
    height, width, channels = image.shape[1:]
    if min(height, width) < SMALLEST_TOKEN:
        raise ValueError(
            f"image is {width} × {height} pixels; a reference needs at least {SMALLEST_TOKEN} on each side."
        )
    for name, values in (("image", image), ("mask", mask)):
        if values is not None and not torch.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not numbers (NaN or infinite). Load it again.")
    image = image.float()  # the resizer takes no half precision
    keep = torch.ones(views, height, width, 1, dtype=image.dtype, device=image.device)
    if channels == 4:
        keep = keep * image[..., 3:]
    if mask is not None:
        keep = keep * _fit(mask.to(image), views, height, width)
    empty = keep.amax((1, 2, 3)) <= 0
    if empty.any():
        which = "" if views == 1 else f" (picture {int(empty.nonzero()[0]) + 1})"
        raise ValueError(
            f"mask and transparency leave nothing of image{which}. In a mask white is the subject: paint "
            "over it in the mask editor, invert the mask, or leave the input empty."
        )
    rgb = image[..., :3] if channels >= 3 else image[..., :1].expand(-1, -1, -1, 3)
    return (rgb * keep + (1 - keep)).clamp(0, 1)


def fit_reference(image: Tensor, long_side: int, token: int) -> Tensor:
    """The reference with the given long side, its shape kept, both sides whole tokens of so many pixels."""
    height, width = image.shape[1:3]
    scale = long_side / max(height, width)
    h, w = (max(token, round(side * scale / token) * token) for side in (height, width))
    if (h, w) == (height, width):
        return image
    pixels = image.movedim(-1, 1)
    return comfy.utils.common_upscale(pixels, w, h, "lanczos", "center").movedim(1, -1).clamp(0, 1)


def region_of(mask: Tensor | None) -> Tensor | None:
    """Where a subject may be [H,W], 0 … 1."""
    if mask is None:
        return None
    masks = mask.reshape(-1, *mask.shape[-2:]).float()
    if len(masks) != 1:
        raise ValueError(
            f"region holds {len(masks)} masks; a subject has one. Paint all of its places into one mask."
        )
    if not torch.isfinite(masks).all():
        raise ValueError("region holds values that are not numbers (NaN or infinite). Paint it anew.")
    if masks.max() <= 0:
        raise ValueError(
            "region is black all over, so the subject may be nowhere. White is where it may be: paint there, "
            "or leave the input empty."
        )
    return masks[0].clamp(0, 1)


def _fit(mask: Tensor, views: int, height: int, width: int) -> Tensor:
    """mask [H,W] or [1|views,H,W] -> [1|views,height,width,1]"""
    mask = mask.reshape(-1, 1, *mask.shape[-2:])
    if views == 1:
        mask = mask[:1]
    if len(mask) not in (1, views):
        raise ValueError(
            f"mask holds {len(mask)} masks and image {views} pictures. Connect one for each, or one for all."
        )
    if mask.shape[-2:] != (height, width):
        mask = comfy.utils.common_upscale(mask, width, height, "bilinear", "disabled")
    return mask.movedim(1, -1).clamp(0, 1)
