"""A safetensors file that appears in one stroke: a kill or a full disk leaves the old one or the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_whole(tensors: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str] | None = None) -> None:
    """ValueError where it cannot be written."""
    part = file.with_name(f"{file.name}.part")  # what a kill left of it is written over
    try:
        save_file(dict(tensors), part, dict(metadata or {}))
        os.replace(part, file)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        size = sum(t.nbytes for t in tensors.values())
        free = shutil.disk_usage(file.parent).free
        raise ValueError(
            f"{file} could not be written ({error}): it takes {size / 1e6:.1f} MB, and the disk has "
            f"{free / 1e6:.1f} MB left. What was there before is untouched. Make room, and start again with "
            "the same command: it goes on from there."
        ) from None
