"""What `training.encode` made: safetensors shards in one folder, read where they lie on the disk.

A row is a picture or a text, named by what went in. A shard appears whole or not at all, and says by which
encoder and which version of this code it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tools.whole_file import save_whole

VERSION = 2  # 1 read condition prompts without their padding
FORMAT = "musar_encoded"


class Store:
    """`maker` is the encoder's fingerprint. ValueError says what is wrong with the folder."""

    def __init__(self, folder: Path, maker: str) -> None:
        self.folder, self.maker = folder, maker
        self.shards: dict[str, Path] = {}  # of each row
        self.facts: list[dict[str, Any]] = []  # of each shard
        self._open: dict[Path, Any] = {}
        old = [name for name in ("prompt", "words", "image") if (folder / name).is_dir()]
        if old:
            raise ValueError(
                f"{folder} was written by an earlier version ({', '.join(old)} in it), which read condition "
                "prompts otherwise than ComfyUI does. Delete the folder, and start training.encode again."
            )
        for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
            self._add(file)

    def __contains__(self, name: str) -> bool:
        return name in self.shards

    def __getitem__(self, name: str) -> Tensor:
        file = self.shards[name]
        if file not in self._open:
            self._open[file] = _opened(file)
        return self._open[file].get_tensor(name)

    def write(self, stem: str, rows: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """One more shard. Where it cannot be written, nothing of it stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{stem}.safetensors"
        said = {"version": VERSION, "maker": self.maker, **facts}
        save_whole(rows, file, {FORMAT: json.dumps(said)})
        self._add(file)

    def _add(self, file: Path) -> None:
        shard = _opened(file)
        said = json.loads((shard.metadata() or {}).get(FORMAT, "{}"))
        if said.get("version") != VERSION:
            raise ValueError(
                f"{file} is of version {said.get('version', 'none')} of what training.encode writes, and "
                f"this is {VERSION}. Delete the folder, and start training.encode again."
            )
        if said["maker"] != self.maker:
            raise ValueError(
                f"{file} was made by other encoders than those in encoder.models. Set another encoder.cache, "
                "or delete the folder."
            )
        self.facts.append(said)
        self.shards |= dict.fromkeys(shard.keys(), file)


def name_of(kind: str, content: str | np.ndarray) -> str:
    """Of a row: two of the same content are one."""
    if isinstance(content, str):
        return f"{kind}/{hashlib.sha256(content.encode()).hexdigest()}"
    digest = hashlib.sha256(str(content.shape).encode() + np.ascontiguousarray(content).tobytes())
    return f"{kind}/{digest.hexdigest()}"


def compact(tensor: Tensor) -> Tensor:
    """In bfloat16, if that loses nothing: encoders on a GPU compute in it."""
    small = tensor.to(torch.bfloat16)
    return (small if torch.equal(small.to(tensor.dtype), tensor) else tensor).contiguous()


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, "pt")
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{file} is cut off or not a safetensors file ({error}). Delete it, and start training.encode "
            "again: it encodes what is missing and nothing else."
        ) from None
