"""Batches of one shape out of a stream of examples of many, in an order that can be taken up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..network.batch import Encoded


@dataclass(frozen=True, eq=False)
class Numbered:
    number: int  # of the example; noise and time depend on it
    encoded: Encoded


class Buckets:
    """Each example goes to those of its shape; the first `size` that wait together are a batch.

    The state between two batches is which numbers wait and which comes next: all of it fits into a
    checkpoint, and the examples that wait are encoded again.
    """

    def __init__(self, encode: Callable[[int], Encoded], size: int) -> None:
        """`encode(number)` is a function of the number alone."""
        self.encode, self.size = encode, size
        self.next = 0
        self.waiting: dict[tuple, list[Numbered]] = {}

    def batch(self) -> list[Numbered]:
        while True:
            shape = self._take(self.next)
            self.next += 1
            if len(self.waiting[shape]) == self.size:
                return self.waiting.pop(shape)

    def _take(self, number: int) -> tuple:
        encoded = self.encode(number)
        self.waiting.setdefault(encoded.shape, []).append(Numbered(number, encoded))
        return encoded.shape

    def state(self) -> dict:
        return {"next": self.next, "waiting": sorted(w.number for ws in self.waiting.values() for w in ws)}

    def load(self, state: dict) -> None:
        self.next, self.waiting = state["next"], {}
        for number in state["waiting"]:
            self._take(number)
