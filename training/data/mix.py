"""Which mode an example has, from its number alone: shares are met exactly, in a shuffled order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

BLOCK = 1000  # draws in which the shares come out exactly


class Mix:
    """`shares` of modes need not sum to 1. `together` neighbours by number share a mode, so that a batch
    of so many has pictures of one shape."""

    def __init__(self, shares: Mapping[str, float], seed: int, together: int = 1) -> None:
        if (
            not shares
            or any(not share >= 0 for share in shares.values())
            or not 0 < sum(shares.values()) < 1e9
        ):
            raise ValueError(
                f"The mix of modes is {dict(shares)}: give each a share of 0 or more, one above 0."
            )
        if together < 1:
            raise ValueError(f"Examples of one mode come together by 1 or more, not by {together}.")
        self.modes = tuple(mode for mode, share in shares.items() if share > 0)
        self.counts = _counts(np.array([shares[mode] for mode in self.modes], float))
        if not self.counts.all():
            rare = self.modes[int(self.counts.argmin())]
            raise ValueError(
                f"The mix gives {rare!r} less than one example in {BLOCK}: leave it out, or give more."
            )
        self.seed, self.together = seed, together
        self._block = lru_cache(maxsize=2)(self._draw)

    def place(self, number: int) -> tuple[str, int]:
        """The mode of an example, and how many of that mode came before it."""
        run, inside = divmod(number, self.together)
        block, at = divmod(run, BLOCK)
        modes = self._block(block)
        mode = modes[at]
        before = block * self.counts[mode] + np.count_nonzero(modes[:at] == mode)
        return self.modes[mode], int(before) * self.together + inside

    def _draw(self, block: int) -> np.ndarray:
        """Indices of modes, BLOCK of them."""
        rng = np.random.default_rng((self.seed, block))
        return rng.permutation(np.repeat(np.arange(len(self.modes)), self.counts))


def _counts(shares: np.ndarray) -> np.ndarray:
    """How many of BLOCK each gets: the largest remainders are rounded up."""
    exact = BLOCK * shares / shares.sum()
    counts = np.floor(exact).astype(int)
    up = np.argsort(counts - exact, kind="stable")[: BLOCK - counts.sum()]
    counts[up] += 1
    return counts
