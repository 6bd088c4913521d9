"""References drawn on the spot: a dog, a robot and a hat, flat and plain."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 512
BACK = (244, 239, 228)
INK = (47, 42, 54)


def write_references(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in (("dog", _dog), ("robot", _robot), ("hat", _hat)):
        image = Image.new("RGB", (2 * SIDE, 2 * SIDE), BACK)  # twice the size, for smooth edges
        draw(_Scaled(ImageDraw.Draw(image), 2))
        files.append(folder / f"{name}.png")
        image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(files[-1])
    return files


class _Scaled:
    """A pen in units of the finished picture."""

    def __init__(self, draw: ImageDraw.ImageDraw, scale: int) -> None:
        self.draw, self.scale = draw, scale

    def __getattr__(self, shape: str):
        def paint(*points: float, fill: tuple, **options: float) -> None:
            options = {k: v * self.scale for k, v in options.items()}
            getattr(self.draw, shape)([p * self.scale for p in points], fill=fill, **options)

        return paint


def _dog(pen: _Scaled) -> None:
    fur, dark, tag = (201, 138, 75), (131, 84, 44), (46, 134, 171)
    pen.rounded_rectangle(118, 232, 352, 360, fill=fur, radius=58)  # body
    for x in (136, 190, 272, 318):
        pen.rounded_rectangle(x, 320, x + 36, 440, fill=fur, radius=16)
    pen.polygon(130, 262, 66, 180, 92, 168, 160, 246, fill=fur)  # tail
    pen.ellipse(300, 112, 436, 260, fill=fur)  # head
    pen.rounded_rectangle(372, 184, 470, 248, fill=fur, radius=30)  # muzzle
    pen.ellipse(444, 188, 474, 214, fill=INK)
    pen.ellipse(286, 112, 336, 226, fill=dark)  # ear
    pen.ellipse(378, 156, 398, 178, fill=INK)
    pen.ellipse(176, 246, 246, 312, fill=dark)  # spot
    pen.rounded_rectangle(306, 244, 392, 266, fill=tag, radius=10)  # collar
    pen.ellipse(338, 258, 366, 286, fill=(246, 201, 69))


def _robot(pen: _Scaled) -> None:
    shell, plate, glow = (76, 143, 135), (205, 218, 214), (255, 209, 102)
    pen.rectangle(250, 56, 262, 110, fill=INK)
    pen.ellipse(238, 36, 274, 72, fill=(222, 84, 73))
    pen.rounded_rectangle(158, 104, 354, 236, fill=shell, radius=28)  # head
    pen.rounded_rectangle(182, 130, 330, 204, fill=INK, radius=20)
    for x in (206, 272):
        pen.ellipse(x, 148, x + 36, 184, fill=glow)
    pen.rounded_rectangle(140, 250, 372, 408, fill=shell, radius=30)  # body
    pen.rounded_rectangle(184, 282, 328, 370, fill=plate, radius=14)
    for i, colour in enumerate(((222, 84, 73), glow, shell)):
        pen.ellipse(204 + 40 * i, 300, 228 + 40 * i, 324, fill=colour)
    pen.rectangle(204, 342, 308, 354, fill=INK)
    for x in (86, 380):
        pen.rounded_rectangle(x, 262, x + 46, 380, fill=plate, radius=20)
    for x in (182, 276):
        pen.rounded_rectangle(x, 408, x + 54, 470, fill=plate, radius=14)


def _hat(pen: _Scaled) -> None:
    felt, band = (178, 58, 72), (246, 201, 69)
    pen.ellipse(52, 300, 460, 410, fill=felt)  # brim
    pen.ellipse(96, 304, 416, 372, fill=(140, 42, 56))
    pen.rounded_rectangle(156, 120, 356, 350, fill=felt, radius=62)  # crown
    pen.rectangle(156, 282, 356, 334, fill=band)
    pen.polygon(332, 292, 372, 176, 398, 170, 372, 300, fill=(46, 134, 171))  # feather
