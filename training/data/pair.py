"""What every reader gives: a subject's reference, a picture of the same subject, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class BadRow(Exception):
    """A row that cannot be used: it is counted and skipped. The text says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class Pair:
    reference: np.ndarray  # H W 3, 0 … 255
    target: np.ndarray
    words: str  # the condition prompt: "a cat", "Nourishing scalp oil"
    caption: str  # of the target; it contains the words
    kind: str  # what "another" is said of: "cat"


class Source(Protocol):
    """Rows by number. Kinds are known without reading a picture."""

    def __len__(self) -> int: ...

    def kind(self, row: int) -> str: ...

    def __getitem__(self, row: int) -> Pair:
        """The pair, or BadRow."""
        ...
