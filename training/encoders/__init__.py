"""From words and pictures to what FLUX reads: one encoder for FLUX.1, one for Sprites."""

from __future__ import annotations

from pathlib import Path

from .encoder import Encoder

__all__ = ["Encoder", "open_encoder"]


def open_encoder(settings: dict) -> Encoder:
    """`kind` is flux or sprites, `models` its folder; with `cache`, a folder, everything is encoded once."""
    from .cache import CachedEncoder

    match settings.get("kind"):
        case "flux":
            from .flux import FluxEncoder

            encoder = FluxEncoder(Path(settings["models"]), settings.get("device", "cpu"))
        case "sprites":
            from .sprites import SpritesEncoder

            encoder = SpritesEncoder(Path(settings["models"]))
        case other:
            raise ValueError(f"encoder.kind is flux or sprites; found {other!r}.")
    return CachedEncoder(encoder, Path(settings["cache"])) if settings.get("cache") else encoder
