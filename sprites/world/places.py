"""Backgrounds: two bands of colour and a dithered edge, named in words."""

from __future__ import annotations

import numpy as np

from .palette import INDEX

PLACES = {  # words: (above, below, row of the horizon)
    "on the beach": ("beach sky", "sand", 10),
    "in the snow": ("snow sky", "snow", 8),
    "in the forest": ("leaves", "earth", 12),
    "at night": ("night sky", "hill", 10),
    "under the sea": ("shallow", "deep", 4),
    "in the city": ("haze", "street", 12),
}
ROWS = 16  # cells of every picture's height
PLAIN = "on paper"  # one colour, as references have it


def background(place: str, columns: int, rows: int = ROWS) -> np.ndarray:
    """rows × columns of colour indices."""
    if place == PLAIN:
        return np.full((rows, columns), INDEX["paper"])
    above, below, horizon = PLACES[place]
    row, column = np.indices((rows, columns))
    down = (row > horizon) | ((row == horizon) & (column % 2 == 0))
    return np.where(down, INDEX[below], INDEX[above])
