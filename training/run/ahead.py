"""The next some hundred steps, encoded in one go: then neither T5 nor the VAE lies beside FLUX in memory.

What is encoded lies in files, which the next ones take the place of: the disk stays bounded, and memory holds
one file's worth.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm

from tools.whole_file import save_whole

from ..network.batch import Encoded
from .examples import Examples

Place = tuple[int, int]  # stage, number
TENSORS = ("latent", "text", "pooled", "images", "words")
PART = 1 << 30  # bytes of one file, about


class Ahead:
    def __init__(self, examples: Examples, folder: Path) -> None:
        self.examples, self.folder = examples, folder
        self.known: dict[Place, tuple[int, list, Encoded]] = {}  # its part, its tensors, and the rest of it
        self.parts: list[Any] = []  # files

    def encoded(self, stage: int, number: int) -> Encoded:
        if (stage, number) not in self.known:
            return self.examples.encoded(stage, number)
        part, names, bare = self.known[stage, number]
        parts: dict[str, Any] = {name: () for name in TENSORS}
        for name, k in names:
            tensor = self.parts[part].get_tensor(_key(stage, number, name, k))
            parts[name] = tensor if k is None else (*parts[name], tensor)
        return replace(bare, **parts)

    def prepare(self, places: Iterable[Place], show: bool = False) -> None:
        """These, and nothing that was prepared before."""
        self.clear()
        tensors: dict[str, Tensor] = {}
        known = {}
        for place in tqdm(list(places), "encoding ahead", leave=False, disable=not show):
            if sum(t.nbytes for t in tensors.values()) > PART:
                self._write(tensors)
                tensors = {}
            encoded = self.examples.encoded(*place)
            names = []
            for name in TENSORS:
                held = getattr(encoded, name)
                for k, tensor in [(None, held)] if isinstance(held, Tensor) else enumerate(held):
                    names.append((name, k))
                    tensors[_key(*place, name, k)] = tensor.contiguous().clone()  # some share memory
            known[place] = len(self.parts), names, replace(encoded, **dict.fromkeys(TENSORS))
        self.examples.encoder.free()
        self._write(tensors)
        self.known = known

    def _write(self, tensors: dict[str, Tensor]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"part_{len(self.parts):03}.safetensors"
        save_whole(tensors, file, lasting=False)
        self.parts.append(safe_open(file, "pt"))

    def clear(self) -> None:
        self.known, self.parts = {}, []
        shutil.rmtree(self.folder, ignore_errors=True)  # with what a run that was killed left
        self.folder.with_suffix(".safetensors").unlink(missing_ok=True)  # of an earlier version


def _key(stage: int, number: int, name: str, k: int | None) -> str:
    return f"{stage}.{number}.{name}" if k is None else f"{stage}.{number}.{name}.{k}"
