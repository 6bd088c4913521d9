"""The next some hundred steps, encoded in one go: then neither T5 nor the VAE lies beside FLUX in memory.

What is encoded lies in one file, which the next one takes the place of: the disk stays bounded.
"""

from __future__ import annotations

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


class Ahead:
    def __init__(self, examples: Examples, file: Path) -> None:
        self.examples, self.file = examples, file
        self.known: dict[Place, tuple[list, Encoded]] = {}  # which tensors each has, and the rest of it
        self.opened: Any = None

    def encoded(self, stage: int, number: int) -> Encoded:
        if (stage, number) not in self.known:
            return self.examples.encoded(stage, number)
        names, bare = self.known[stage, number]
        parts: dict[str, Any] = {name: () for name in TENSORS}
        for name, k in names:
            tensor = self.opened.get_tensor(_key(stage, number, name, k))
            parts[name] = tensor if k is None else (*parts[name], tensor)
        return replace(bare, **parts)

    def prepare(self, places: Iterable[Place], show: bool = False) -> None:
        """These, and nothing that was prepared before."""
        self.clear()
        tensors: dict[str, Tensor] = {}
        known = {}
        for place in tqdm(list(places), "encoding ahead", leave=False, disable=not show):
            encoded = self.examples.encoded(*place)
            names = []
            for name in TENSORS:
                held = getattr(encoded, name)
                for k, tensor in [(None, held)] if isinstance(held, Tensor) else enumerate(held):
                    names.append((name, k))
                    tensors[_key(*place, name, k)] = tensor.contiguous().clone()  # some share memory
            known[place] = names, replace(encoded, **dict.fromkeys(TENSORS))
        self.examples.encoder.free()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        save_whole(tensors, self.file, {})
        self.known, self.opened = known, safe_open(self.file, "pt")

    def clear(self) -> None:
        self.known, self.opened = {}, None
        self.file.unlink(missing_ok=True)


def _key(stage: int, number: int, name: str, k: int | None) -> str:
    return f"{stage}.{number}.{name}" if k is None else f"{stage}.{number}.{name}.{k}"
