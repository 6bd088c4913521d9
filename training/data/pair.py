"""What every reader gives: a subject's reference, a picture of the same subject, and the words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .example import Example


class BadRow(Exception):
    """A row that cannot be used: it is counted under its reason and skipped.

    The text is a sentence: what was found, and what to do.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason  # in few words


@dataclass(frozen=True, eq=False)
class Pair:
    reference: np.ndarray  # H W 3, 0 … 255
    target: np.ndarray
    words: str  # the condition prompt: "a cat", "Nourishing scalp oil"
    caption: str  # of the target; it contains the words
    kind: str  # what "another" is said of: "cat"


class Source(Protocol):
    """Rows by number. All but the pictures is known without reading one."""

    name: str  # for messages: a folder's path, mostly
    pictures_twice: bool = False  # rows of one subject have the same pictures
    ready: bool = False  # its rows are examples already, which are not made into diptychs

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Pair | Example:
        """The pair, or BadRow. (An example, where the source is `ready`.)"""
        ...

    def kind(self, row: int) -> str:
        """What same-kind diptychs go by. It may be coarser than the pair's, which is said in words."""
        ...

    def subject(self, row: int) -> Hashable:
        """Rows that show one individual share it: they never meet in a diptych."""
        return row

    def groups(self) -> Sequence[Sequence[int]]:
        """Rows that lie together on the disk and are cheaply read one after another."""
        return [range(len(self))]

    def where(self, row: int) -> str:
        """Where a person finds the row."""
        return f"{self.name}, row {row}"

    def notes(self) -> list[str]:
        """Lines on what was left out when the source was opened."""
        return []
