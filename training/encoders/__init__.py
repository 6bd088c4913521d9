"""From words and pictures to what FLUX reads: encoders for FLUX.1, FLUX.2 klein and Sprites."""

from __future__ import annotations

from pathlib import Path

from .encoder import Encoder
from .store import Store
from .stored import StoredEncoder

__all__ = ["Encoder", "Store", "StoredEncoder", "new_encoder", "open_encoder"]


def new_encoder(settings: dict) -> Encoder:
    """`kind` is flux, klein, sprites or sprites_flux2, `models` its folder."""
    match settings.get("kind"):
        case "flux":
            from .flux import FluxEncoder

            return FluxEncoder(Path(settings["models"]), settings.get("device", "cpu"))
        case "klein":
            from .klein import KleinEncoder

            return KleinEncoder(Path(settings["models"]), settings.get("device", "cpu"))
        case "sprites":
            from .sprites import SpritesEncoder

            return SpritesEncoder(Path(settings["models"]))
        case "sprites_flux2":
            from .sprites_flux2 import SpritesFlux2Encoder

            return SpritesFlux2Encoder(Path(settings["models"]), device=settings.get("device", "cpu"))
        case other:
            raise ValueError(f"encoder.kind is flux, klein, sprites or sprites_flux2; found {other!r}.")


def open_encoder(settings: dict) -> Encoder:
    """With `cache`, a folder, what `training.encode` wrote there is read, not made again."""
    encoder = new_encoder(settings)
    if settings.get("cache"):
        return StoredEncoder(encoder, Store(Path(settings["cache"]), encoder.fingerprint()))
    return encoder if settings["kind"].startswith("sprites") else StoredEncoder(encoder)  # Sprites' is quick
