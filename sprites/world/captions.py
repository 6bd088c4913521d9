"""Plain English for a scene, and the prompts that are never trained on."""

from __future__ import annotations

import hashlib

import numpy as np

from .scene import Scene

PAIRS = ("{} and {}", "{} next to {}", "{} beside {}", "{} with {}")
WHOLES = ("{who} {where}", "{who}, {where}", "{who} standing {where}")  # subjects come first


def a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def names(kinds: list[str]) -> list[str]:
    """a fish, a robot, another fish."""
    return [f"another {kind}" if kind in kinds[:i] else a(kind) for i, kind in enumerate(kinds)]


def caption(rng: np.random.Generator, scene: Scene) -> str:
    *most, last = names([s.kind for s in scene.subjects])
    if not most:
        who = last
    elif len(most) == 1:
        who = PAIRS[rng.integers(len(PAIRS))].format(most[0], last)
    else:
        who = f"{', '.join(most)} and {last}"
    return WHOLES[rng.integers(len(WHOLES))].format(who=who, where=scene.place)


def held_out_prompt(scene: Scene) -> bool:
    """One in ten combinations of kinds (in order) and place is kept for evaluation."""
    text = f"{scene.place} {[s.kind for s in scene.subjects]}"
    return hashlib.sha256(text.encode()).digest()[0] < 26
