"""`python -m studies.full_size.panels`: may a diptych's latent be put together from its panels'?

A VAE of FLUX.1's shape and size with random weights encodes diptychs of Sprites whole, and each panel
alone. Group norms and the attention in its middle see the whole picture, so the two differ everywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from sprites.world.palette import picture
from studies.judging.cases import cases

from .network import SEED

SIDE = 512  # of a panel
CELL = 8  # pixels of a latent's cell
PAIRS = 4
FLUX = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 16,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}


def main() -> None:
    torch.manual_seed(SEED)
    vae = AutoencoderKL(**FLUX).eval()
    shares, seams = zip(*(compare(vae, *pair) for pair in pairs()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        vae.encode(torch.zeros(1, 3, SIDE, 2 * SIDE))
    print(
        f"Put together from panels, a latent differs from the whole one's by {np.mean(shares):.1%} of its "
        f"standard deviation, by {np.mean(seams):.1%} in the four columns at the seam ({PAIRS} diptychs of "
        f"{2 * SIDE} × {SIDE}). To encode one whole takes {counter.get_total_flops() / 1e12:.1f} TFLOP."
    )


@torch.no_grad()
def compare(vae: AutoencoderKL, left: Tensor, right: Tensor) -> tuple[float, float]:
    """How far apart the two latents are, of the whole one's spread: everywhere, and at the seam."""
    whole = vae.encode(torch.cat([left, right], 3)).latent_dist.mode()
    parts = torch.cat([vae.encode(panel).latent_dist.mode() for panel in (left, right)], 3)
    apart, seam = (parts - whole).square(), SIDE // CELL
    return tuple(float(part.mean().sqrt() / whole.std()) for part in (apart, apart[..., seam - 2 : seam + 2]))


def pairs() -> list[tuple[Tensor, Tensor]]:
    pictures = [pixels(picture(case.scene.cells())) for case in cases(2, False, 2 * PAIRS)]
    return list(zip(pictures[::2], pictures[1::2]))


def pixels(image: np.ndarray) -> Tensor:
    """H W 3 in bytes -> 1 3 SIDE SIDE from −1 to 1."""
    whole = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(whole, (SIDE, SIDE), mode="bicubic").clamp(-1, 1)


if __name__ == "__main__":
    main()
