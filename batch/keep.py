"""A picture that a server drew, to where a run's pictures are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import fsspec

from tools.table import Wrong

from .server import Remote

PAUSES = (1, 5)  # seconds between two tries to write


def keep(server: Remote, image: dict, file: str) -> bool:
    """A path or any fsspec address; False where the server has the picture no more. A store that fails once
    may take it the next time; the server has it still."""
    for pause in (*PAUSES, None):
        try:
            return _written(server, image, file)
        except OSError as error:
            if pause is None:
                raise Wrong(
                    f"{file} could not be written, {len(PAUSES) + 1} times ({error}). Make room or see "
                    "to the store; the same command goes on from there."
                ) from None
            time.sleep(pause)


def _written(server: Remote, image: dict, file: str) -> bool:
    """Straight to its place; one that our own server wrote beside it is linked, not copied."""
    local = "://" not in file
    target = Path(file)
    if local and server.output is not None:
        target.unlink(missing_ok=True)
        try:
            os.link(server.output / image["subfolder"] / image["filename"], target)
            return True
        except OSError:
            pass  # another disk
    data = server.picture(image)
    if data is None:
        return False
    if local:
        part = target.with_suffix(".part")
        part.write_bytes(data)
        part.replace(target)
    else:
        fs, path = fsspec.core.url_to_fs(file)
        fs.pipe_file(path, data)
    return True
