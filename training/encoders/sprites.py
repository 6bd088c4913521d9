"""The encoder of Sprites: word vectors, and the palette's codes for flat cells."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from sprites.judge import read_cells
from sprites.latents import cells_of, latents_of
from sprites.text_encoder import TextEncoder
from sprites.world.palette import picture


class SpritesEncoder:
    """`models` is the folder with Sprites' weights."""

    def __init__(self, models: Path) -> None:
        self.weights = models / "sprites_text.safetensors"
        self.encode = TextEncoder(load_file(self.weights))

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        return self.encode(text)

    def words(self, text: str) -> Tensor:
        return self.encode(text)[0][: len(self.pieces(text))]

    def tokens(self, text: str) -> int:
        return self.encode.tokens(text)

    def pieces(self, text: str) -> list[str]:
        tokenizer = self.encode.tokenizer
        return tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)

    def image(self, pixels: np.ndarray) -> Tensor:
        return latents_of([read_cells(pixels)])[0]

    def picture(self, latent: Tensor) -> np.ndarray:
        return picture(cells_of(latent[None])[0])

    def free(self) -> None:
        """It is small."""

    def fingerprint(self) -> str:
        return hashlib.sha256(self.weights.read_bytes()).hexdigest()
