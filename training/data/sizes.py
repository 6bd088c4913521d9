"""Pictures in the sizes that a run trains on, all sides whole tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from .example import Example
from .pair import BadRow, Pair

TOKEN = 16  # pixels of a token, each way


@dataclass(frozen=True)
class Sizes:
    """In pixels. None = pictures stay as they are."""

    target: int | None = None  # side of the square that has the picture's area; of each half of a diptych
    reference: int | None = None  # the long side, as reference_size of MUSAR Conditioning

    def halves(self, left: Pair, right: Pair) -> tuple[Pair, Pair]:
        """Of one height and together twice the area: a tall picture beside a wide one is lower than alone."""
        if self.target is None:
            return left, right
        (h1, w1), (h2, w2) = (pair.target.shape[:2] for pair in (left, right))
        height = self.target * (2 / (w1 / h1 + w2 / h2)) ** 0.5
        return tuple(
            replace(pair, target=_resize(pair.target, height, height * w / h))
            for pair, h, w in ((left, h1, w1), (right, h2, w2))
        )

    def pair(self, pair: Pair) -> Pair:
        """The target's size, where it stands alone."""
        return pair if self.target is None else replace(pair, target=self._area(pair.target))

    def example(self, example: Example, ready: bool = False) -> Example:
        """Of pairs whose targets were sized. A `ready` example's was not."""
        target = example.target
        if self.target is not None:
            target = self._area(target) if ready else _resize(target, *target.shape[:2])
        references = tuple(replace(r, image=self.of_reference(r.image)) for r in example.references)
        check(target, "target")
        for r in references:
            check(r.image, "reference")
        return replace(example, target=target, references=references)

    def of_reference(self, picture: np.ndarray) -> np.ndarray:
        if self.reference is None:
            return picture
        height, width = picture.shape[:2]
        scale = self.reference / max(height, width)
        return _resize(picture, height * scale, width * scale)

    def _area(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        scale = self.target / (height * width) ** 0.5
        return _resize(picture, height * scale, width * scale)


def check(picture: np.ndarray, name: str) -> None:
    """BadRow where FLUX cannot take the picture."""
    height, width = picture.shape[:2]
    if height % TOKEN or width % TOKEN:
        raise BadRow(
            f"its {name} is {width} × {height}, and both sides must be multiples of {TOKEN}. Set "
            "pixels: {target: 512, reference: 512}, which fits every picture, or cut it.",
            "a size that does not fit",
        )


def _resize(picture: np.ndarray, height: float, width: float) -> np.ndarray:
    """H W 3 -> about that size, whole tokens each way."""
    h, w = (max(TOKEN, round(side / TOKEN) * TOKEN) for side in (height, width))
    if (h, w) == picture.shape[:2]:
        return picture
    return np.asarray(Image.fromarray(picture).resize((w, h), Image.Resampling.LANCZOS))
