"""A run has its folder to itself."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout


def lock(folder: Path) -> FileLock:
    """Held as long as the object lives, and given back when the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / "run.lock")
    try:
        return held.acquire(timeout=0).lock
    except Timeout:
        raise ValueError(
            f"Another run is training in {folder}, and two would overwrite each other's checkpoints. Give "
            "this one another --output, or wait for the other to end."
        ) from None
