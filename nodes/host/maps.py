"""Pictures of a routing record: who owns which part, and how strongly each subject was named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from ...musar_attention import StepRecord, owner_of
from .lettering import font
from .record import Part

# The first six are told apart by colour-blind people too (Okabe and Ito); nobody is grey.
COLOURS = (
    *((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0)),
    *((240, 228, 66), (51, 34, 136), (136, 34, 85), (153, 221, 119), (102, 60, 20), (255, 170, 187)),
    *((20, 90, 50), (170, 0, 0), (187, 204, 238), (0, 190, 190)),
)
NOBODY = (150, 150, 150)
PAGE, INK, FADED = (255, 255, 255), (25, 25, 25), (225, 225, 225)
COVER = 0.55  # how much of the picture the map hides
SMALLEST = 512  # pixels of the map's longer side, so that its words can be read
STEPS = 8  # columns of the affinity sheet
LEGEND, MARGIN = 36, 12
UNMEASURED = "One subject owns everything, so its affinity was not measured: turn on leak in MUSAR Routing."


def colour_of(k: int) -> tuple[int, int, int]:
    return NOBODY if k < 0 else COLOURS[k % len(COLOURS)]


def owner_map(part: Part, names: list[str], batch: int, image: Tensor | None = None) -> Tensor:
    """[1,H,W,3]: owners over the whole run, over the picture (or blank), with a legend below."""
    return tensor(draw_owners(part, list(part.steps.values()), names, batch, image))


def stacked(sheets: Sequence[Tensor]) -> Tensor:
    """[1,H,W,3] each -> [B,H,W,3]: white below and beside those that are smaller."""
    height, width = (max(one.shape[i] for one in sheets) for i in (1, 2))
    room = ((0, 0, 0, width - one.shape[2], 0, height - one.shape[1]) for one in sheets)
    return torch.cat([F.pad(one, pad, value=1.0) for one, pad in zip(sheets, room)])


def draw_owners(
    part: Part,
    steps: list[StepRecord],
    names: list[str],
    batch: int,
    image: Tensor | None = None,
) -> Image.Image:
    """Owners in most layers of these steps of the part."""
    (rows, columns), token = part.layout.target, part.plan.family.token
    owner = owners_over(part, steps, batch).numpy()
    palette = np.array([colour_of(k) for k in range(-1, len(names))], np.float32)

    scale = max(1, -(-SMALLEST // (max(rows, columns) * token)))
    size = (columns * token * scale, rows * token * scale)
    if image is None:  # drawn in every step: blend the few tokens, not the many pixels
        drawn = _pixels(COVER * palette[owner + 1] + (1 - COVER) * 255).resize(size, Image.NEAREST)
    else:
        map_ = np.asarray(_pixels(palette[owner + 1]).resize(size, Image.NEAREST))
        drawn = _pixels(COVER * map_ + (1 - COVER) * _grey(image, size))
    shares = [float((owner == k).mean()) for k in range(-1, len(names))]
    entries = [
        (colour_of(k), f"{name} {shares[k + 1]:.0%}")
        for k, name in enumerate(["nobody", *names], start=-1)
        if k >= 0 or shares[0] > 0
    ]
    return _above(drawn, _legend(entries, drawn.width))


def owners_over(part: Part, steps: list[StepRecord], batch: int) -> Tensor:
    """int64 rows × columns of tokens: the owner in most layers of these steps, −1 = nobody."""
    owned = torch.stack([step.owned[batch].float() for step in steps]).mean(0)
    return owner_of(owned).view(part.layout.target)


def owner_masks(part: Part, batch: int, size: tuple[int, int]) -> Tensor:
    """[c,H,W]: what each subject owned over the whole run, in the picture's pixels."""
    owner = owners_over(part, list(part.steps.values()), batch)
    token = part.plan.family.token
    each = (owner == torch.arange(part.layout.count)[:, None, None]).float()
    return each.repeat_interleave(token, 1).repeat_interleave(token, 2)[:, : size[0], : size[1]]


def affinity_sheet(part: Part, names: list[str], batch: int) -> Tensor:
    """[1,H,W,3]: a row for each subject, a column for each step (eight at most), dark = strong.

    Each column has one scale for all its subjects: the strongest token of the step is darkest.
    """
    rows, columns = part.layout.target
    steps, numbers = list(part.steps.values()), [part.number(sigma) for sigma in part.steps]
    if len(names) == 1 and not any(step.affinity.any() for step in steps):
        return words(UNMEASURED)
    shown = sorted({round(i) for i in np.linspace(0, len(steps) - 1, min(STEPS, len(steps)))})
    side = max(96, columns * 4)
    size = (side, round(side * rows / columns))
    label = max(int(font(18, name).getlength(name)) for name in names) + 2 * MARGIN
    sheet = Image.new("RGB", (label + len(shown) * (side + 4), LEGEND + len(names) * (size[1] + 4)), PAGE)
    pen = ImageDraw.Draw(sheet)
    for x, step in enumerate(shown):
        left = label + x * (side + 4)
        pen.text((left, 6), f"step {numbers[step]}", INK, font(18))
        heat = steps[step].affinity[batch].float()
        heat = (heat / heat.max().clamp(min=1e-8)).view(rows, columns, -1).numpy()
        for k in range(len(names)):
            tint = np.array(PAGE) + heat[..., k : k + 1] * (np.array(colour_of(k)) - PAGE)
            cell = Image.fromarray(tint.round().astype(np.uint8)).resize(size, Image.NEAREST)
            sheet.paste(cell, (left, LEGEND + k * (size[1] + 4)))
            pen.rectangle(
                (left, LEGEND + k * (size[1] + 4), left + side, LEGEND + k * (size[1] + 4) + size[1]),
                outline=FADED,
            )
    for k, name in enumerate(names):
        pen.text((MARGIN, LEGEND + k * (size[1] + 4) + size[1] // 2 - 10), name, INK, font(18, name))
    return tensor(sheet)


def words(text: str) -> Tensor:
    """[1,H,W,3]: a sentence in place of a sheet."""
    sheet = Image.new("RGB", (int(font(15).getlength(text)) + 2 * MARGIN, 44), PAGE)
    ImageDraw.Draw(sheet).text((MARGIN, 12), text, INK, font(15))
    return tensor(sheet)


def _legend(entries: list[tuple[tuple[int, int, int], str]], width: int) -> Image.Image:
    """Swatches with words, in as many lines as they need."""
    places, x, y = [], MARGIN, 6
    for colour, words in entries:
        long = 32 + int(font(22, words).getlength(words)) + 2 * MARGIN
        if x > MARGIN and x + long > width:
            x, y = MARGIN, y + LEGEND
        places.append((x, y, colour, words))
        x += long
    strip = Image.new("RGB", (width, y + LEGEND), PAGE)
    pen = ImageDraw.Draw(strip)
    for x, y, colour, words in places:
        pen.rectangle((x, y, x + 22, y + 22), fill=colour)
        pen.text((x + 30, y - 2), words, INK, font(22, words))
    return strip


def _above(top: Image.Image, bottom: Image.Image) -> Image.Image:
    both = Image.new("RGB", (top.width, top.height + bottom.height), PAGE)
    both.paste(top)
    both.paste(bottom, (0, top.height))
    return both


def _pixels(colours: np.ndarray) -> Image.Image:
    return Image.fromarray(colours.round().astype(np.uint8))


def _grey(image: Tensor, size: tuple[int, int]) -> np.ndarray:
    """One picture [H,W,3] in 0 … 1, without its colours."""
    pixels = (image.clamp(0, 1).mean(-1) * 255).round().to(torch.uint8).cpu().numpy()
    small = Image.fromarray(pixels).resize(size, Image.LANCZOS if size[0] < image.shape[1] else Image.NEAREST)
    return np.asarray(small, np.float32)[..., None].repeat(3, -1)


def tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, np.float32) / 255)[None]
