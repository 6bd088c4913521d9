"""Encode once: every prompt and picture gets a file, named by what went in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from .encoder import Encoder


class CachedEncoder:
    """An encoder that remembers, on disk. Delete the folder when the encoder's weights change."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.encoder, self.folder = encoder, folder

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        def make() -> dict[str, Tensor]:
            embeddings, pooled = self.encoder.prompt(text)
            return {"embeddings": embeddings, "pooled": pooled}

        found = self._once("prompt", text.encode(), make)
        return found["embeddings"], found["pooled"]

    def words(self, text: str) -> Tensor:
        return self._once("words", text.encode(), lambda: {"e": self.encoder.words(text)})["e"]

    def pieces(self, text: str) -> list[str]:
        return self.encoder.pieces(text)

    def image(self, pixels: np.ndarray) -> Tensor:
        shape = str(pixels.shape).encode()
        return self._once("image", shape + pixels.tobytes(), lambda: {"e": self.encoder.image(pixels)})["e"]

    def picture(self, latent: Tensor) -> np.ndarray:
        return self.encoder.picture(latent)

    def _once(self, kind: str, content: bytes, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        name = hashlib.sha256(content).hexdigest()
        file = self.folder / kind / name[:2] / f"{name}.safetensors"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")  # other processes may make the same
            save_file({n: t.contiguous() for n, t in make().items()}, part)
            os.replace(part, file)
        return load_file(file)
