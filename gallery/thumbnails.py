"""A picture for each shipped graph: the graph itself, run on Sprites."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tools.comfy_server import ComfyServer

from .on_sprites import as_sprites

SIDE = 384  # pixels of a thumbnail, both ways
PICTURE, MAP = "81", "91"


def draw_thumbnail(server: ComfyServer, prompt: dict) -> bytes:
    """A JPEG file of the picture; of the routing map where there is one; of all of a batch."""
    images = server.run(as_sprites(prompt)).images
    drawn = [Image.open(io.BytesIO(data)).convert("RGB") for data in images.get(MAP, images[PICTURE])]
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
