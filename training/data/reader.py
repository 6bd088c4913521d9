"""A source from the `data` settings of a config file: {kind: folder, folder: …}."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping

from .pair import Source

READERS = {  # kind: its file, its class
    "subjects200k": ("subjects200k", "Subjects200K"),
    "musar_gen": ("musar_gen", "MusarGen"),
    "folder": ("folder", "Folder"),
    "sprites": ("sprites", "Sprites"),
    "sprites_scenes": ("sprites_scenes", "SpritesScenes"),
}


def open_source(settings: Mapping[str, object]) -> Source:
    """The reader of that kind, with the other settings as its arguments."""
    kind = settings.get("kind")
    if kind not in READERS:
        raise ValueError(f"There is no data of kind {kind!r}: set kind to one of {', '.join(READERS)}.")
    reader = _reader(*READERS[kind])
    given = {name: value for name, value in settings.items() if name != "kind"}
    known = inspect.signature(reader).parameters
    for name in given:
        if name not in known:
            raise ValueError(f"Data of kind {kind!r} has no setting {name!r}: it has {', '.join(known)}.")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in given:
            raise ValueError(f"Data of kind {kind!r} needs the setting {name!r}.")
    return reader(**given)


def _reader(file: str, name: str) -> type[Source]:
    try:
        return getattr(importlib.import_module(f".{file}", __package__), name)
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ValueError(
            "Parquet shards are read with pyarrow, which is not here: pip install pyarrow."
        ) from None
