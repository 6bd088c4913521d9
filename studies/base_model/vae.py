"""Train the VAE of Sprites: TAESD's shape, from flat cells to the palette's codes and back.

Encoder: every 8×8 square's latent is the code of the colour nearest to its mean. Decoder: a code,
also a noisy one, becomes a flat square. Both learn on small crops: the network is convolutional.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from sprites.world.palette import CELL, CHANNELS, RGB, latent_codes

from .loop import Losses, Run

WIDTH = 64
SCALE, SHIFT = 0.3611, 0.1159  # FLUX.1's latents: (latent - shift) * scale is what the network sees
CROP = 4  # cells, both ways
NOISE = 0.45  # the most that a latent is off when the decoder learns
COLOURS = torch.from_numpy(RGB / 255).float()


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class Squash(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def conv(inputs: int, outputs: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def encoder() -> nn.Sequential:
    layers = [conv(3, WIDTH), Block()]
    for _ in range(3):
        layers += [conv(WIDTH, WIDTH, stride=2, bias=False), Block(), Block(), Block()]
    return nn.Sequential(*layers, conv(WIDTH, CHANNELS))


def decoder() -> nn.Sequential:
    layers = [Squash(), conv(CHANNELS, WIDTH), nn.ReLU()]
    for _ in range(3):
        layers += [Block(), Block(), Block(), nn.Upsample(scale_factor=2), conv(WIDTH, WIDTH, bias=False)]
    return nn.Sequential(*layers, Block(), conv(WIDTH, 3))


class Vae(nn.Module):
    """The names of a TAESD file. `taesd_encoder` and `_decoder` speak FLUX's scaled latents."""

    def __init__(self) -> None:
        super().__init__()
        self.taesd_encoder, self.taesd_decoder = encoder(), decoder()
        self.vae_scale = nn.Parameter(torch.tensor(SCALE), requires_grad=False)
        self.vae_shift = nn.Parameter(torch.tensor(SHIFT), requires_grad=False)


def crops(rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
    """Pictures B 3 H W in 0…1, of flat cells, and their codes B C h w.

    Colours come in patches of one to three cells, each a little off; a part are of any colour at
    all and go to the nearest of the palette.
    """
    blocks = [
        rng.integers(len(RGB), size=(size, -(-CROP // s), -(-CROP // s))).repeat(s, 1).repeat(s, 2)
        for s in (1, 2, 3)
    ]
    layer = rng.integers(3, size=(size, CROP, CROP))
    cells = np.choose(layer, [b[:, :CROP, :CROP] for b in blocks])
    rgb = COLOURS[torch.from_numpy(cells)]
    rgb = rgb + torch.from_numpy(rng.normal(0, 0.012, rgb.shape)).float()
    stray = torch.from_numpy(rng.random((size, CROP, CROP)) < 0.1)
    rgb = torch.where(stray[..., None], torch.from_numpy(rng.random(rgb.shape)).float(), rgb).clamp(0, 1)
    codes = torch.from_numpy(latent_codes())[torch.cdist(rgb, COLOURS).argmin(-1)]
    return enlarge(rearrange(rgb, "b h w c -> b c h w")), rearrange(codes, "b h w c -> b c h w")


def vae_losses(vae: Vae, rng: np.random.Generator, size: int) -> Losses:
    picture, codes = crops(rng, size)
    all_codes = torch.from_numpy(latent_codes())
    nearest = torch.cdist(rearrange(codes, "b c h w -> b h w c"), all_codes).argmin(-1)
    flat = enlarge(rearrange(COLOURS[nearest], "b h w c -> b c h w"))
    strength = torch.from_numpy(rng.uniform(0, NOISE, (size, 1, 1, 1))).float()
    noisy = codes + strength * torch.from_numpy(rng.standard_normal(codes.shape)).float()
    read = F.mse_loss(vae.taesd_encoder(picture), codes)
    drawn = F.l1_loss(vae.taesd_decoder(noisy), flat)
    return {"loss": read + 10 * drawn, "read": read, "drawn": drawn}


def enlarge(cells: Tensor) -> Tensor:
    """B C h w -> each cell a square of 8×8."""
    return cells.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)


def train_vae(settings: dict, checkpoint: Path) -> Run:
    torch.manual_seed(settings["seed"])
    vae = Vae().to(memory_format=torch.channels_last)

    def losses(step: int) -> Losses:
        rng = np.random.default_rng((settings["seed"], step))
        return vae_losses(vae, rng, settings["batch"])

    run = Run({"vae": vae}, settings)
    run.go("vae", losses, checkpoint)
    return run
