"""Cells to latents and back: the palette's codes, without the VAE."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from .world.palette import latent_codes

CODES = torch.from_numpy(latent_codes())


def latents_of(cells: list[np.ndarray]) -> Tensor:
    """Colour indices -> B C H W, in the scale that FLUX sees."""
    return rearrange(CODES[torch.from_numpy(np.stack(cells))], "b h w c -> b c h w")


def cells_of(latents: Tensor) -> np.ndarray:
    """B C H W -> colour indices B H W: the nearest code of each cell."""
    return torch.einsum("b c h w, n c -> b h w n", latents.float(), CODES).argmax(-1).numpy()
