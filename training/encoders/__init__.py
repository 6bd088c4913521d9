"""From words and pictures to what FLUX reads: one encoder for FLUX.1, one for Sprites."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor


class Encoder(Protocol):
    """Everything without a batch, on the CPU; latents in the scale that FLUX sees."""

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        """T [tokens, width], padded as the host pads it, and the pooled vector."""
        ...

    def words(self, text: str) -> Tensor:
        """CT [tokens, width]: the words' own tokens and the end token."""
        ...

    def pieces(self, text: str) -> list[str]:
        """The tokens of T as the tokenizer writes them, without padding."""
        ...

    def image(self, pixels: np.ndarray) -> Tensor:
        """H W 3 of 0 … 255 -> [16, H/8, W/8]."""
        ...

    def picture(self, latent: Tensor) -> np.ndarray:
        """[16, h, w] -> 8h 8w 3 of 0 … 255."""
        ...


def open_encoder(settings: dict) -> Encoder:
    """`kind` is flux or sprites, `models` its folder; with `cache`, a folder, everything is encoded once."""
    from .cache import CachedEncoder

    match settings.get("kind"):
        case "flux":
            from .flux import FluxEncoder

            encoder = FluxEncoder(Path(settings["models"]), settings.get("device", "cpu"))
        case "sprites":
            from .sprites import SpritesEncoder

            encoder = SpritesEncoder(Path(settings["models"]))
        case other:
            raise ValueError(f"encoder.kind is flux or sprites; found {other!r}.")
    return CachedEncoder(encoder, Path(settings["cache"])) if settings.get("cache") else encoder
