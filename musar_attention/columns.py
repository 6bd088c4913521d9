"""Keys and values, and which columns they are, for each kind of query."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

import torch
from torch import Tensor

from .layout import TokenLayout

Parts = list[slice]
Found = tuple[Tensor, Tensor, Parts]  # keys, values, and which columns they are


def sizes(parts: Parts) -> list[int]:
    return [part.stop - part.start for part in parts]


def take(t: Tensor, parts: Parts) -> Tensor:
    """The sequence parts of t [B,H,L,D], in order; a view where one part is enough."""
    return t[:, :, parts[0]] if len(parts) == 1 else torch.cat([t[:, :, p] for p in parts], 2)


def runs(places: Iterable[int]) -> Parts:
    """Rising places as slices."""
    parts: Parts = []
    for place in places:
        if parts and parts[-1].stop == place:
            parts[-1] = slice(parts[-1].start, place + 1)
        else:
            parts.append(slice(place, place + 1))
    return parts


class Columns:
    """Where the columns of a query lie side by side they are a view. Else the common part (T, extra and X) is
    copied once, with room behind it into which each subject's few tokens are written in turn: tokens of X see
    it whole, a condition its end, T and extra its beginning. Held phrases lie in front, where tokens of X see
    none of them, and an owner's is written behind the rest of its own. To `keep` what was handed out, for
    gradients, each gets a copy of its own.
    """

    def __init__(self, k: Tensor, v: Tensor, layout: TokenLayout, keep: bool) -> None:
        self.sources, self.keep = (k, v), keep
        self.own = [[layout.CT(i), layout.CI(i)] for i in range(layout.count)]
        held = layout.unseen(-1)
        free = set(range(layout.prompt)).difference(held) if held else ()
        self.words = runs(held)
        owners = range(-1, layout.count)
        self.phrases = [runs(sorted(set(held).difference(layout.unseen(i)))) if held else [] for i in owners]
        rest = runs(sorted(free)) if held else [layout.T]
        self.parts = [*self.words, *rest, layout.extra_slice, layout.X]
        self.sides = layout.prompt + layout.extra  # what is before X
        self.length = self.sides + layout.target_length
        self.room: list[Tensor] = []
        self.behind: Parts = []  # what lies behind the common part

    def common(self) -> Found:
        """What T and extra see."""
        return self._run(self.parts) or self._copied(self.parts, slice(0, self.length))

    def subject(self, i: int) -> Found:
        """What the target tokens of this one see. Valid until the next is asked for."""
        return self._target([*self.own[i], *self.phrases[i + 1]])

    def without(self, i: int) -> Found:
        """What they see without its condition; −1 = nobody's tokens. Likewise valid."""
        return self._target(self.phrases[i + 1])

    def condition(self, i: int) -> Found:
        """What the tokens of a condition see: X and the subject's own. Likewise valid."""
        return self._seen([self.parts[-1]], self.own[i], self.sides)

    def _target(self, more: Parts) -> Found:
        return self._seen(self.parts[len(self.words) :], more, sum(sizes(self.words)))

    def _seen(self, parts: Parts, more: Parts, start: int) -> Found:
        """These parts of the common, from `start` on, and more."""
        every = [*parts, *more]
        if found := self._run(every):
            return found
        if not self.keep and self.behind[: len(more)] != more:
            there = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.behind, more)))
            self._write(self.length + sum(sizes(more[:there])), more[there:])
            self.behind = more
        return self._copied(every, slice(start, start + sum(sizes(every))))

    def _run(self, parts: Parts) -> Found | None:
        """A view, if the parts are one run of columns."""
        ordered = sorted((p for p in parts if p.stop > p.start), key=lambda p: p.start)
        if any(a.stop != b.start for a, b in zip(ordered, ordered[1:])):
            return None
        run = slice(ordered[0].start, ordered[-1].stop)
        k, v = (t[:, :, run] for t in self.sources)
        return k, v, [run]

    def _copied(self, parts: Parts, where: slice) -> Found:
        if self.keep:
            k, v = (take(t, parts) for t in self.sources)
        else:
            self._write(0, [])
            k, v = (t[:, :, where] for t in self.room)
        return k, v, parts

    def _write(self, start: int, parts: Parts) -> None:
        if not self.room:
            most = max(sum(sizes(own)) for own in self.own) + sum(sizes(self.words))
            self.room = [t.new_empty(*t.shape[:2], self.length + most, t.shape[3]) for t in self.sources]
            self._write(0, self.parts)
        for part, size in zip(parts, sizes(parts)):
            for room, source in zip(self.room, self.sources):
                room[:, :, start : start + size] = source[:, :, part]
            start += size
