"""A safetensors file that appears in one stroke: a kill, a full disk or a power cut leaves the old one or
the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def flushed(path: Path) -> None:
    """On the disk before this returns. A folder too, where the system can."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_whole(
    tensors: Mapping[str, Tensor],
    file: Path,
    metadata: Mapping[str, str] | None = None,
    lasting: bool = True,
) -> None:
    """ValueError where it cannot be written. `lasting`: a power cut would be a loss."""
    part = file.with_name(f"{file.name}.part")  # what a kill left of it is written over
    try:
        save_file(dict(tensors), part, dict(metadata or {}))
        if lasting:
            flushed(part)  # else the name may be on the disk before what it names
        os.replace(part, file)
        with suppress(OSError):  # not every file system does that to a folder, and the file is there
            if lasting:
                flushed(file.parent)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        size = sum(t.nbytes for t in tensors.values())
        free = shutil.disk_usage(file.parent).free
        raise ValueError(
            f"{file} could not be written ({error}): it takes {size / 1e6:.1f} MB, and the disk has "
            f"{free / 1e6:.1f} MB left. What was there before is untouched. Make room, and start again with "
            "the same command: it goes on from there."
        ) from None
