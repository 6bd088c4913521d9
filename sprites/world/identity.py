"""What words do not name: two colours and a pattern. Only a reference image can tell them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from .kinds import SIDE, bitmap
from .palette import INK, NAMES, SUBJECTS

PATTERNS = ("spots", "belt", "cap", "sash", "checks")


@dataclass(frozen=True)
class Identity:
    first: int  # indices of colours
    second: int
    pattern: str

    def __str__(self) -> str:
        return f"{NAMES[self.first]} with {NAMES[self.second]} {self.pattern}"


def all_identities() -> tuple[Identity, ...]:
    """594 of them: checks look the same with their colours swapped, so they count once."""
    return tuple(
        Identity(a, b, pattern)
        for pattern in PATTERNS
        for a, b in permutations(range(SUBJECTS), 2)
        if pattern != "checks" or a < b
    )


def held_out(kind: str, identity: Identity) -> bool:
    """One in ten combinations of kind, colours and pattern is never drawn in training."""
    text = f"{kind} {identity}"
    return hashlib.sha256(text.encode()).digest()[0] < 26


def seconds(pattern: str) -> np.ndarray:
    """6×6 bool: where the second colour goes."""
    row, column = np.indices((SIDE, SIDE))
    return {
        "spots": (row % 2 == 1) & (column % 2 == 1),
        "belt": row // 2 == 1,
        "cap": row // 2 == 0,
        "sash": column // 2 == 1,
        "checks": (row + column) % 2 == 1,
    }[pattern]


def sprite(kind: str, identity: Identity) -> np.ndarray:
    """6×6 colour indices; -1 where the background shows."""
    shape = bitmap(kind)
    body = np.where(seconds(identity.pattern), identity.second, identity.first)
    return np.select([shape == 1, shape == 2], [body, INK], -1)
