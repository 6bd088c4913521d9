"""The leak diagnostic as a table: rows are regions, columns references."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from .lettering import font
from .maps import FADED, INK, MARGIN, PAGE, colour_of, tensor, words
from .record import Part

CELL, HEAD = (116, 44), 58
UNMEASURED = "Leak was not measured: turn on leak in MUSAR Routing."


def leak_sheet(part: Part, names: list[str], batch: int) -> Tensor:
    """[1,H,W,3]: the share of attention that each subject's part paid to each reference."""
    measured = [step.leak for step in part.steps.values() if step.leak]
    if not measured:
        return words(UNMEASURED)
    shares = reduce(add, measured).shares[batch].numpy()
    parts = [f"{name}'s part" for name in names]
    label = max(int(font(15, part).getlength(part)) for part in parts) + 3 * MARGIN + 18
    width, height = label + len(names) * CELL[0] + MARGIN, HEAD + len(names) * CELL[1] + MARGIN
    sheet = Image.new("RGB", (width, height), PAGE)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, 8), "attention to the reference of", INK, font(15))
    for k, name in enumerate(names):
        x, y = label + k * CELL[0], HEAD + k * CELL[1]
        pen.text((x + 8, 32), name, INK, font(15, name))
        pen.rectangle((MARGIN, y + 12, MARGIN + 18, y + 30), fill=colour_of(k))
        pen.text((2 * MARGIN + 18, y + 12), parts[k], INK, font(15, parts[k]))
        for other in range(len(names)):
            _cell(pen, (label + other * CELL[0], y), float(shares[k, other]), colour_of(other))
    return tensor(sheet)


def _cell(pen: ImageDraw.ImageDraw, corner: tuple[int, int], share: float, colour: tuple) -> None:
    """A share, its bar below. NaN: no token was in the region."""
    x, y = corner
    pen.rectangle((x, y, x + CELL[0] - 4, y + CELL[1] - 4), outline=FADED)
    pen.text((x + 8, y + 8), "-" if np.isnan(share) else f"{share:.1%}", INK, font(15))
    if share > 0:
        pen.rectangle((x + 1, y + CELL[1] - 10, x + 1 + share * (CELL[0] - 6), y + CELL[1] - 5), fill=colour)
