"""The colours of the world, and the latent code of each.

A cell is one latent position: a flat square of 8×8 pixels in one of these colours.
"""

from __future__ import annotations

import numpy as np

CELL = 8  # pixels, as the VAE shrinks
CHANNELS = 16  # of a latent

SUBJECT = {
    "red": "d62839",
    "orange": "ff8800",
    "yellow": "ffe019",
    "lime": "8ff01a",
    "green": "1f8a3b",
    "teal": "00a896",
    "cyan": "35d6ff",
    "blue": "2f5bea",
    "violet": "7b2cbf",
    "magenta": "f032c8",
    "pink": "ffa3bd",
    "brown": "8a4b1f",
}
BACKGROUND = {
    "beach sky": "9fd2f7",
    "sand": "e8d5a0",
    "snow sky": "8d9fb8",
    "snow": "f4f8fb",
    "leaves": "1e3a2b",
    "earth": "5c4433",
    "night sky": "17173f",
    "hill": "3f3f70",
    "shallow": "2a6f97",
    "deep": "0f3d63",
    "haze": "b3a8a0",
    "street": "6d7075",
}
OTHER = {"ink": "0a0a0a", "paper": "e9d0f5"}

NAMES = (*SUBJECT, *BACKGROUND, *OTHER)
INDEX = {name: i for i, name in enumerate(NAMES)}
SUBJECTS = len(SUBJECT)  # indices below this are the subjects' colours
INK, PAPER = INDEX["ink"], INDEX["paper"]
RGB = np.array([[int(h[i : i + 2], 16) for i in (0, 2, 4)] for h in (SUBJECT | BACKGROUND | OTHER).values()])


def latent_codes() -> np.ndarray:
    """colours × 16, of ±1: rows of a Hadamard matrix and their negatives, so all far apart.

    Any two differ in at least half of their channels. FLUX sees latents in this scale.
    """
    half = np.array([[1.0]])
    while len(half) < CHANNELS:
        half = np.block([[half, half], [half, -half]])
    return np.concatenate([half, -half])[: len(NAMES)].astype(np.float32)


def picture(cells: np.ndarray, scale: int = CELL) -> np.ndarray:
    """rows × columns of colour indices -> uint8 RGB, each cell a square of `scale` pixels."""
    return RGB[cells].astype(np.uint8).repeat(scale, 0).repeat(scale, 1)


def nearest(rgb: np.ndarray) -> np.ndarray:
    """... × 3 -> the index of the closest colour."""
    return ((rgb[..., None, :].astype(np.float64) - RGB) ** 2).sum(-1).argmin(-1)
