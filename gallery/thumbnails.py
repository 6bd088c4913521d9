"""A picture for each shipped graph: the graph itself, run on Sprites.

Of FLUX.2 there is no model of Sprites: a thumbnail shows the references that the graph begins with, and says
so.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.comfy_server import ComfyServer

from .on_sprites import as_sprites
from .on_tiny import is_flux2

SIDE = 384  # pixels of a thumbnail, both ways
PICTURE, MAP = "81", "91"


def draw_thumbnail(server: ComfyServer, prompt: dict) -> bytes:
    """A JPEG file of the picture; of the routing map where there is one; of all of a batch."""
    drawn = _references(server, prompt) if is_flux2(prompt) else _pictures(server, prompt)
    across = round(len(drawn) ** 0.5)
    rows = [
        np.concatenate([np.asarray(i) for i in drawn[k : k + across]], 1)
        for k in range(0, len(drawn), across)
    ]
    sheet = Image.fromarray(np.concatenate(rows))
    scale = SIDE / max(sheet.size)
    size = (round(sheet.width * scale), round(sheet.height * scale))
    sheet = sheet.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    square.paste(sheet, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    file = io.BytesIO()
    square.save(file, "jpeg", quality=90)
    return file.getvalue()


def _pictures(server: ComfyServer, prompt: dict) -> list[Image.Image]:
    images = server.run(as_sprites(prompt)).images
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in images.get(MAP, images[PICTURE])]


def _references(server: ComfyServer, prompt: dict) -> list[Image.Image]:
    """On a square, and what they are; without a result, which only FLUX.2's own weights could draw."""
    names = [node["inputs"]["image"] for node in prompt.values() if node["class_type"] == "LoadImage"]
    across = 1 + (len(names) > 1) + (len(names) > 4)
    head, rows = 44, -(-len(names) // across)
    side = min(SIDE // across, (SIDE - head) // rows)
    sheet = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    for k, name in enumerate(names):
        image = Image.open(server.base / "input" / name).convert("RGB")
        image = image.resize((side - 8, side - 8), Image.Resampling.NEAREST)
        sheet.paste(image, (4 + side * (k % across), head + side * (k // across)))
    pen = ImageDraw.Draw(sheet)
    pen.text((8, 8), "FLUX.2: the references", (235, 235, 235), ImageFont.load_default(size=22))
    return [sheet]
