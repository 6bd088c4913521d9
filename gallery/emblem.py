"""`make emblem`: the icon and the banner that the Comfy Registry shows, drawn in Sprites' pixel art."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sprites.world.identity import Identity
from sprites.world.palette import INDEX, RGB
from sprites.world.scene import Placed, Scene, reference
from tools.comfy_server import ROOT

IMAGES = ROOT / "docs" / "images"
ICON, BANNER = (16, 25), (18, 30)  # cells high, pixels a cell: 400 × 400, and 21 : 9
WIDE = 42  # cells of the banner
OWNERS = ((0, 114, 178), (230, 159, 0), (204, 121, 167))  # colours of the owner map
CAST = (
    ("cat", Identity(INDEX["lime"], INDEX["blue"], "cap")),
    ("robot", Identity(INDEX["orange"], INDEX["brown"], "spots")),
    ("ball", Identity(INDEX["magenta"], INDEX["yellow"], "belt")),
)
RIM = 8  # pixels


def draw_icon() -> Image.Image:
    rows, pixels = ICON
    subjects = tuple(Placed(*CAST[k], *where) for k, where in enumerate(((9, 1), (1, 9))))
    return _scene(subjects, rows, rows, pixels)


def draw_banner() -> Image.Image:
    """References on the left, each in its owner's colour; on the right the picture, with the same frames."""
    rows, pixels = BANNER
    subjects = tuple(Placed(*CAST[k], *where) for k, where in enumerate(((9, 19), (2, 27), (11, 34))))
    image = _scene(subjects, WIDE, rows, pixels)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 16 * pixels, rows * pixels), (24, 24, 24))
    side = 8 * 15
    for k, (kind, identity) in enumerate(CAST):
        x, y = 42 + k * (side + 22), 330
        tile = Image.fromarray(RGB[reference(kind, identity, 1, 1)].astype(np.uint8))
        image.paste(tile.resize((side, side), Image.Resampling.NEAREST), (x, y))
        pen.rectangle((x - RIM, y - RIM, x + side + RIM - 1, y + side + RIM - 1), None, OWNERS[k], RIM)
    pen.text((34, 60), "MUSAR", (250, 250, 250), ImageFont.load_default(size=112))
    line = "Several subjects in one picture,\neach with its own looks"
    pen.text((38, 204), line, (200, 200, 200), ImageFont.load_default(size=27), spacing=10)
    return image


def _scene(subjects: tuple[Placed, ...], columns: int, rows: int, pixels: int) -> Image.Image:
    """With a frame around each subject, in its owner's colour."""
    cells = RGB[Scene("on the beach", subjects, columns, rows).cells()].astype(np.uint8)
    image = Image.fromarray(cells).resize((columns * pixels, rows * pixels), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    for colour, subject in zip(OWNERS, subjects):
        top, left, high, wide = (pixels * n for n in subject.box)
        around = (left - RIM, top - RIM, left + wide + RIM - 1, top + high + RIM - 1)
        pen.rectangle(around, None, colour, RIM)
    return image


def save(image: Image.Image, file: Path) -> None:
    image.quantize(64, dither=Image.Dither.NONE).save(file, optimize=True)


def main() -> None:
    save(draw_icon(), IMAGES / "icon.png")
    save(draw_banner(), IMAGES / "banner.png")


if __name__ == "__main__":
    main()
