"""Which rows make which example: a function of the seed and the example's number, so a run resumes.

A mode goes through the data epoch by epoch. In an epoch it uses no row twice, so no two rows meet
twice; rows that lie together on the disk come near each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .mix import Mix
from .pair import Source
from .pairing import Labels, most_pairs, pair_up

MODES = ("single", "random", "same")  # one pair; diptychs of any two; diptychs of one kind
WINDOW = 4  # groups of rows that are mixed with one another


@dataclass(frozen=True)
class Draw:
    mode: str
    index: int  # among the examples of the mode
    rows: tuple[int, ...]


class Order:
    def __init__(
        self, source: Source, mix: Mapping[str, float], seed: int, window: int = WINDOW, together: int = 1
    ) -> None:
        for mode in mix:
            if mode not in MODES:
                raise ValueError(
                    f"There is no mode {mode!r} to make examples by: take of {', '.join(MODES)}."
                )
        if seed < 0 or window < 1:
            raise ValueError(f"The order needs a seed from 0 and a window from 1; found {seed} and {window}.")
        self.seed, self.window = seed, window
        self.mix = Mix(mix, seed, together)
        self.groups = [np.asarray(group) for group in source.groups()]
        every = range(len(source))
        self.subjects: Labels = [source.subject(row) for row in every]
        self.kinds: dict[str, Labels] = {"random": [""] * len(every)}
        if "same" in self.mix.modes:
            self.kinds["same"] = [source.kind(row) for row in every]
        self.lengths = {mode: self._length(mode, source.name) for mode in self.mix.modes}
        self._epoch = lru_cache(maxsize=2 * len(MODES))(self._rows)  # two of each mode, where epochs meet

    def __getitem__(self, number: int) -> Draw:
        if number < 0:
            raise IndexError(f"Examples are numbered from 0; found {number}.")
        mode, index = self.mix.place(number)
        return self.draw(mode, index)

    def draw(self, mode: str, index: int) -> Draw:
        """The mode's example of that index, over all epochs."""
        epoch, at = divmod(index, self.lengths[mode])
        return Draw(mode, index, tuple(self._epoch(mode, epoch)[at].tolist()))

    def _rows(self, mode: str, epoch: int) -> np.ndarray:
        """Examples × rows of one epoch."""
        rng = np.random.default_rng((self.seed, 1 + MODES.index(mode), epoch))
        rows = near_shuffle(rng, self.groups, self.window)
        if mode == "single":
            return rows[:, None]
        return pair_up(rows.tolist(), self.kinds[mode], self.subjects)

    def _length(self, mode: str, name: str) -> int:
        count = len(self.subjects)
        length = count if mode == "single" else most_pairs(self.kinds[mode], self.subjects)
        if length:
            return length
        if mode != "same":
            raise ValueError(
                f"{name}: the mode {mode!r} needs {'a row' if mode == 'single' else 'two subjects'}; "
                f"found {count} rows of {len(set(self.subjects))} subjects. Add data."
            )
        kinds = sorted(set(map(str, self.kinds["same"])))
        listed = ", ".join(kinds[:5]) + (", …" if len(kinds) > 5 else "")
        raise ValueError(
            f"{name}: diptychs of one kind need two subjects of one kind, and no kind has two: found "
            f"{count} rows of {len(kinds)} kinds ({listed}). Add data, or leave 'same' out of the mix."
        )


def near_shuffle(rng: np.random.Generator, groups: Sequence[np.ndarray], window: int) -> np.ndarray:
    """All rows: groups in random order, the rows of `window` groups mixed with one another."""
    order = rng.permutation(len(groups))
    parts = []
    for first in range(0, len(groups), window):
        part = np.concatenate([groups[i] for i in order[first : first + window]])
        parts.append(rng.permutation(part))
    return np.concatenate(parts)
