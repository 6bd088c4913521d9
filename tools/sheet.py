"""Contact sheets: pictures in rows, enlarged without blur, each with its words below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, LINE = 10, 16
PAGE, INK = (250, 250, 250), (30, 30, 30)
FONT = ImageFont.load_default(size=13)

Cell = tuple[str, np.ndarray]  # words, and a picture H × W × 3 of 0…255


def contact_sheet(rows: list[list[Cell]], scale: int = 1) -> Image.Image:
    pieces = [[_cell(words, picture, scale) for words, picture in row] for row in rows]
    width = max(sum(p.width + GAP for p in row) for row in pieces) + GAP
    heights = [max(p.height for p in row) + GAP for row in pieces]
    sheet, y = Image.new("RGB", (width, sum(heights) + GAP), PAGE), GAP
    for row, height in zip(pieces, heights):
        x = GAP
        for piece in row:
            sheet.paste(piece, (x, y))
            x += piece.width + GAP
        y += height
    return sheet


def save_sheet(file: Path, rows: list[list[Cell]], scale: int = 1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows, scale).quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def _cell(words: str, picture: np.ndarray, scale: int) -> Image.Image:
    width, height = picture.shape[1] * scale, picture.shape[0] * scale
    lines = _wrap(words, width)
    piece = Image.new("RGB", (width, height + LINE * len(lines) + 4), PAGE)
    piece.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))
    pen = ImageDraw.Draw(piece)
    for i, line in enumerate(lines):
        pen.text((0, height + 3 + LINE * i), line, INK, FONT)
    return piece


def _wrap(words: str, width: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if FONT.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
