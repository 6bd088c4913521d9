"""What words name: twelve kinds of subject, each a bitmap of 6×6 cells.

# is the body, which takes the identity's colours; o is ink; . shows what is behind.
"""

from __future__ import annotations

import numpy as np

SIDE = 6  # cells

BITMAPS = {
    "ball": ".####. ###### ###### ###### ###### .####.",
    "star": "..##.. ..##.. ###### .####. ##..## #....#",
    "house": "..##.. .####. ###### .####. .#oo#. .#oo#.",
    "fish": "..##.# .##### #o##.# ###### .##### ..##.#",
    "robot": "###### #o##o# ###### ..##.. ###### .#..#.",
    "tree": "..##.. .####. .####. ###### ..oo.. ..oo..",
    "cat": "#....# ##..## ###### #o##o# ###### .#oo#.",
    "boat": "..#... ..##.. ..###. ..o... ###### .####.",
    "heart": "##..## ###### ###### .####. ..##.. ......",
    "ghost": ".####. #o##o# ###### ###### ###### #.##.#",
    "duck": ".##... o##... .##..# .##### .##### ..###.",
    "car": "...... .####. .#oo#. ###### ###### .o..o.",
}
KINDS = tuple(BITMAPS)


def bitmap(kind: str) -> np.ndarray:
    """6×6: 0 nothing, 1 body, 2 ink."""
    return np.array([[".#o".index(c) for c in row] for row in BITMAPS[kind].split()])
