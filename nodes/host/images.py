"""References: from an IMAGE and a mask to pixels the VAE takes."""

from __future__ import annotations

import comfy.utils
import torch
from torch import Tensor

from .families import SMALLEST_TOKEN


def cut_out(image: Tensor, mask: Tensor | None = None) -> Tensor:
    """One RGB reference [1,H,W,3]; what alpha and mask leave out becomes white."""
    if image.ndim != 4 or image.shape[0] != 1:
        raise ValueError(
            f"image holds {image.shape[0]} pictures; a subject takes one reference. Pick one with "
            "Get Image from Batch, or make a MUSAR Subject for each."
        )
    height, width, channels = image.shape[1:]
    if min(height, width) < SMALLEST_TOKEN:
        raise ValueError(
            f"image is {width} × {height} pixels; a reference needs at least {SMALLEST_TOKEN} on each side."
        )
    for name, values in (("image", image), ("mask", mask)):
        if values is not None and not torch.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not numbers (NaN or infinite). Load it again.")
    image = image.float()  # the resizer takes no half precision
    keep = torch.ones(1, height, width, 1, dtype=image.dtype, device=image.device)
    if channels == 4:
        keep = keep * image[..., 3:]
    if mask is not None:
        keep = keep * _fit(mask.to(image), height, width)
    if keep.max() <= 0:
        raise ValueError(
            "mask and transparency leave nothing of image. In a mask white is the subject: paint "
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


def _fit(mask: Tensor, height: int, width: int) -> Tensor:
    """mask [H,W] or [1,H,W] -> [1,height,width,1]"""
    mask = mask.reshape(-1, 1, *mask.shape[-2:])[:1]
    if mask.shape[-2:] != (height, width):
        mask = comfy.utils.common_upscale(mask, width, height, "bilinear", "disabled")
    return mask.movedim(1, -1).clamp(0, 1)
