"""Layouts drawn over a picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..lettering import font, shown
from ..maps import INK, PAGE, colour_of, tensor
from .layout import Layout

DARK = 450  # of red, green and blue together: below it words are white
COVER = 0.35  # how much of the picture a subject's part hides


def layout_sheet(layouts: tuple[Layout, ...], image: Tensor) -> Tensor:
    """One picture [H,W,3] -> [1,H,W,3]: what each subject shows is tinted, its box drawn and named."""
    height, width = image.shape[:2]
    pixels = image[..., :3].clamp(0, 1).cpu().numpy() * 255
    first, drawn = 0, []
    for layout in layouts:
        top = layout.top((height, width), (width, height)).numpy()
        for k, box in enumerate(layout.on((width, height))):
            colour, seen = np.array(colour_of(first + k)), top == k
            pixels[seen] += COVER * (colour - pixels[seen])
            drawn.append((box, tuple(colour.tolist()), shown(layout.names)[k]))
        first += len(layout.names)
    sheet = Image.fromarray(pixels.round().astype(np.uint8))
    pen, size = ImageDraw.Draw(sheet), max(12, min(height, width) // 24)
    for box, colour, name in drawn:
        face = font(size, name)
        left, up = round(box.left * width), round(box.top * height)
        right, down = round(box.right * width) - 1, round(box.bottom * height) - 1
        pen.rectangle((left, up, max(left, right), max(up, down)), outline=colour, width=max(2, size // 8))
        pen.rectangle((left, up, left + face.getlength(name) + 8, up + size + 6), fill=colour)
        pen.text((left + 4, up + 1), name, PAGE if sum(colour) < DARK else INK, face)
    return tensor(sheet)


def layout_sheets(layouts: tuple[Layout, ...], images: Tensor) -> Tensor:
    return torch.cat([layout_sheet(layouts, image) for image in images])
