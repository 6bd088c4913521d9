"""Families of networks: what differs from one to the next, a file each. The rest of nodes/ asks them."""

from __future__ import annotations

from typing import Any

from comfy.model_patcher import ModelPatcher

from .family import Family
from .flux1 import FLUX1
from .flux2 import FLUX2
from .preset import Preset

FAMILIES: tuple[Family, ...] = (FLUX1, FLUX2)  # one whose class is derived from another's comes later
SMALLEST_TOKEN = min(family.token for family in FAMILIES)  # pixels each way, where no model is at hand
PRESETS = tuple(dict.fromkeys(preset.name for family in FAMILIES for preset in family.presets))

__all__ = [
    "FAMILIES",
    "FLUX1",
    "FLUX2",
    "PRESETS",
    "SMALLEST_TOKEN",
    "Family",
    "Preset",
    "family_of",
    "family_of_tokens",
]


def family_of(model: ModelPatcher) -> Family:
    """ValueError says why a model cannot be routed."""
    base = model.model
    for family in reversed(FAMILIES):
        if family.claims(base):
            refusal = family.refusal(base)
            if refusal:
                raise ValueError(refusal)
            return family
    raise ValueError(
        f"model is {type(base).__name__}, and MUSAR patches {' and '.join(f.name for f in FAMILIES)}. Load "
        f"{' or '.join(f.models for f in FAMILIES)} with Load Diffusion Model."
    )


def family_of_tokens(tokens: dict[str, Any]) -> Family:
    """Whose text encoder it is that made these tokens: each family has keys of its own."""
    for family in FAMILIES:
        if any(key in tokens for key in family.text.keys):
            return family
    raise ValueError(
        f"clip has no {', '.join(f.text.name for f in FAMILIES)} tokens, only {', '.join(sorted(tokens))}. "
        + " ".join(f.text.wanted for f in FAMILIES)
    )
