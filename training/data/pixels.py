"""Encoded pictures as pixels, or the reason why not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

from .pair import BadRow

BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
PIXELS = 1 << 26  # of a picture to train on, at most
PAPER = (255, 255, 255, 255)  # behind what is transparent


def decode(data: bytes, where: str) -> np.ndarray:
    """PNG, JPEG, WebP … -> H W 3, 0 … 255. `where` is for the message."""
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > PIXELS:
            raise ValueError(f"it says to be {picture.width}×{picture.height}")
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I;16"):  # of 16 bits, of which Pillow would keep the darkest
            picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
        if picture.mode in ("I", "F"):
            raise ValueError("its greys are of 32 bits; save it with 8")
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, PAPER), picture)
        return np.asarray(picture.convert("RGB"))
    except BROKEN as error:
        found = f"{len(data)} bytes that cannot be read as a picture" if data else "no bytes"
        reason = str(error).split(" <")[0].rstrip(".")
        raise BadRow(
            f"{where}: there are {found} ({reason}). Replace the picture, or leave it: the row is skipped.",
            "unreadable picture",
        ) from None
