"""`python -m training.times_plot`: at which times a run learns and ComfyUI draws, into docs/images."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .run.sampler import SHIFT
from .run.times import shift_of

FILE = Path(__file__).resolve().parents[1] / "docs" / "images" / "times.png"
WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 1200, 640, 70, 70, 40
TOP = 4.0  # of the density
HOST = ("ComfyUI's steps (shift 1.15)", (120, 120, 120))
LINES = {  # name: its shift, its colour
    "shift: null": (0.0, (200, 60, 40)),
    "shift: auto, 512 by 512": (shift_of("auto", 1024), (60, 120, 200)),
    "shift: auto, diptych of 1024 by 512": (shift_of("auto", 2048), (30, 60, 130)),
    "shift: 1.15": (SHIFT, (40, 140, 80)),
}


def learned(t: Tensor, mean: float, std: float = 1.0) -> Tensor:
    """Density of logit-normal times."""
    z = (t.logit() - mean) / std
    return (-z * z / 2).exp() / (std * math.sqrt(2 * math.pi) * t * (1 - t))


def drawn(t: Tensor, shift: float = SHIFT) -> Tensor:
    """Density of a sampler's steps that are even before the shift."""
    rise = math.exp(shift)
    return rise / (rise - (rise - 1) * t) ** 2


def plot() -> Image.Image:
    scale = 2  # drawn larger, for smooth lines
    image = Image.new("RGB", (scale * WIDTH, scale * HEIGHT), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(20 * scale)
    wide, high = WIDTH - LEFT - 30, HEIGHT - BELOW - ABOVE

    def at(t: float, density: float) -> tuple[float, float]:
        return scale * (LEFT + t * wide), scale * (ABOVE + (1 - density / TOP) * high)

    for tick in range(6):
        pen.line([at(tick / 5, 0), at(tick / 5, TOP)], (230, 230, 230), scale)
        pen.text(at(tick / 5, -0.08), f"{tick / 5:.1f}", "black", font, anchor="ma")
    pen.line([at(0, 0), at(1, 0)], "black", scale)
    pen.text(at(0.5, -0.3), "time: 0 is the picture, 1 is noise", "black", font, anchor="ma")
    t = torch.linspace(0.002, 0.998, 500)
    lines = {HOST[0]: (drawn(t), HOST[1])}
    lines |= {name: (learned(t, shift), colour) for name, (shift, colour) in LINES.items()}
    for row, (name, (density, colour)) in enumerate(lines.items()):
        points = [at(x, y) for x, y in zip(t.tolist(), density.tolist()) if y <= TOP]
        pen.line(points, colour, (6 if name == HOST[0] else 4) * scale // 2, joint="curve")
        pen.text(at(0.03, TOP - 0.24 * row), name, colour, font)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    plot().save(FILE)
    print(FILE)
