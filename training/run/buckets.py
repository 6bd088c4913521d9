"""Batches of one shape out of a stream of examples of many, in an order that can be taken up again."""

from __future__ import annotations

from collections.abc import Callable


class Buckets:
    """Each example's number goes to those of its shape; the first `size` that wait together are a batch.

    The state between two batches is which numbers wait and which comes next: all of it fits into a
    checkpoint.
    """

    def __init__(self, shape: Callable[[int], tuple], size: int) -> None:
        """`shape(number)` is a function of the number alone."""
        self.shape, self.size = shape, size
        self.next = 0
        self.waiting: dict[tuple, list[int]] = {}

    def batch(self) -> list[int]:
        if self.size == 1:  # whatever its shape, which would cost reading the pictures
            self.next += 1
            return [self.next - 1]
        while True:
            number = self.next
            self.next += 1
            waiting = self._take(number)
            if len(waiting) == self.size:
                return self.waiting.pop(self.shape(number))

    def _take(self, number: int) -> list[int]:
        waiting = self.waiting.setdefault(self.shape(number), [])
        waiting.append(number)
        return waiting

    def state(self) -> dict:
        return {"next": self.next, "waiting": sorted(n for numbers in self.waiting.values() for n in numbers)}

    def load(self, state: dict) -> None:
        self.next, self.waiting = state["next"], {}
        for number in state["waiting"]:
            self._take(number)
