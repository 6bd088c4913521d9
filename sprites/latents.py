"""Cells to latents and back: the palette's codes, without the VAE."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from .world.palette import latent_codes

CODES = torch.from_numpy(latent_codes())
_FLUX2_CODES = torch.cat([CODES, CODES], -1)  # its VAE has twice the channels


def latents_of(cells: list[np.ndarray]) -> Tensor:
    """Colour indices -> B C H W, in the scale that FLUX sees."""
    return rearrange(CODES[torch.from_numpy(np.stack(cells))], "b h w c -> b c h w")


def cells_of(latents: Tensor) -> np.ndarray:
    """B C H W, or FLUX.2's -> colour indices B H W: the nearest code of each cell."""
    codes = CODES
    if latents.shape[1] == 4 * _FLUX2_CODES.shape[1]:
        latents = rearrange(latents, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)
        codes = _FLUX2_CODES
    return torch.einsum("b c h w, n c -> b h w n", latents.float(), codes).argmax(-1).numpy()


def flux2_latents_of(cells: list[np.ndarray]) -> Tensor:
    """Colour indices -> B 128 h w, as FLUX.2 sees them: a token a latent, two by two cells in each."""
    codes = _FLUX2_CODES[torch.from_numpy(np.stack(cells))]
    return rearrange(codes, "b (h p) (w q) c -> b (c p q) h w", p=2, q=2)
