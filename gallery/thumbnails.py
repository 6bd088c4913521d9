"""A picture for each shipped graph: the graph itself, run on Sprites.

Of SDXL there is no model of Sprites, and Sprites of FLUX.2 was not trained for Flux KV Cache: these show
the references that the graph begins with, SDXL's in their boxes, and say so.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.comfy_server import ComfyServer

from .on_sprites import as_sprites
from .on_tiny import is_cached, is_sdxl

SIDE = 384  # pixels of a thumbnail, both ways
PICTURE, MAP = "81", "91"


def thumbnail(server: ComfyServer, prompt: dict, images: dict[str, list[bytes]]) -> bytes:
    """A JPEG file of the picture; of the routing map where there is one; of all of a batch.

    `images`: what Sprites drew of it, by node.
    """
    if is_cached(prompt):
        drawn = _references(server, prompt)
    else:
        drawn = _in_boxes(server, prompt) if is_sdxl(prompt) else _pictures(images)
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


def drawn_by_sprites(server: ComfyServer, prompt: dict) -> dict[str, list[bytes]]:
    """Its pictures by node; none where Sprites has no model for it."""
    known = not is_sdxl(prompt) and not is_cached(prompt)
    return server.run(as_sprites(prompt)).images if known else {}


def _pictures(images: dict[str, list[bytes]]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in images.get(MAP, images[PICTURE])]


def _in_boxes(server: ComfyServer, prompt: dict) -> list[Image.Image]:
    """Each reference in its box, and what it is; there is no result without SDXL's own weights."""
    (canvas,) = (n["inputs"] for n in prompt.values() if n["class_type"] == "CreateBoundingBoxes")
    head, scale = 44, (SIDE - 52) / max(canvas["width"], canvas["height"])
    sheet = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    pen = ImageDraw.Draw(sheet)
    width, height = round(canvas["width"] * scale), round(canvas["height"] * scale)
    left, top = (SIDE - width) // 2, head + (SIDE - 8 - head - height) // 2
    pen.rectangle((left, top, left + width, top + height), outline=(120, 120, 120))
    for k, box in enumerate(canvas["editor_state"]["__value__"], 1):
        image = Image.open(server.base / "input" / prompt[f"{k}0"]["inputs"]["image"]).convert("RGB")
        x, y, wide, high = (round(box[name] * scale) for name in ("x", "y", "width", "height"))
        image = image.resize((wide - 2, high - 2), Image.Resampling.NEAREST)
        sheet.paste(image, (left + x + 1, top + y + 1))
    pen.text((8, 8), "SDXL: references and their boxes", (235, 235, 235), ImageFont.load_default(size=22))
    return [sheet]


def _references(server: ComfyServer, prompt: dict) -> list[Image.Image]:
    """On a square, and what they are."""
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
