"""Examples by number, whatever is wrong with a few rows of the data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from .diptych import check_words, diptych, single
from .example import Example
from .order import WINDOW, Order
from .pair import BadRow, Pair, Source
from .sizes import Sizes

TRIES = 1000  # bad examples one after another, before the data is given up


class Feed:
    """`feed[number]` is the same example whenever it is asked for, in whatever order.

    Where one of its rows is bad, the next good example of the same mode stands in for it; the others
    stay as they are. What was found bad is remembered, to be counted once and reported.
    """

    def __init__(
        self,
        source: Source,
        mix: Mapping[str, float],
        seed: int,
        window: int = WINDOW,
        together: int = 1,
        sizes: Sizes | None = None,  # None = pictures of any size are taken as they are
        another_in_phrase: bool = False,
    ) -> None:
        if source.ready and set(mix) != {"single"}:
            raise ValueError(
                f"{source.name} holds ready examples, which are not made into diptychs: found the mix "
                f"{dict(mix)}. Set it to single: 1."
            )
        self.source, self.sizes, self.another_in_phrase = source, sizes, another_in_phrase
        self.order = Order(source, mix, seed, window, together)
        self.bad: dict[tuple[int, ...], BadRow] = {}  # by row, or by two that do not go together
        self.check: Callable[[Example], None] = lambda example: None  # BadRow where it cannot be learned from

    def __getitem__(self, number: int) -> Example:
        wanted = self.order[number]
        for index in range(wanted.index, wanted.index + TRIES):
            example = self._make(self.order.draw(wanted.mode, index).rows)
            if example is not None:
                return example
        raise ValueError(
            f"{self.source.name}: {TRIES} examples in a row cannot be used. " + " ".join(self._reasons())
        )

    def report(self) -> list[str]:
        """Lines for the end of a run: what was left out at first, and what was skipped since."""
        return [*self.source.notes(), *self._reasons()]

    def learn_of(self, others: Iterable[Mapping[tuple[int, ...], tuple[str, str]]]) -> None:
        """What other processes found bad, as they tell it."""
        for told in others:
            self.bad |= {rows: BadRow(*said) for rows, said in told.items() if rows not in self.bad}

    def told(self) -> dict[tuple[int, ...], tuple[str, str]]:
        return {rows: (str(error), error.reason) for rows, error in self.bad.items()}

    def _make(self, rows: tuple[int, ...]) -> Example | None:
        if rows in self.bad:
            return None
        pairs = [pair for pair in map(self.read, rows) if pair is not None]
        if len(pairs) < len(rows):
            return None
        try:
            example = self.sized(self._made(pairs))
            self.check(example)
            return example
        except BadRow as error:
            places = " and ".join(map(self.source.where, rows))
            self.bad[rows] = BadRow(f"{places}: {error}", error.reason)
            return None

    def _made(self, pairs: Sequence[Pair | Example]) -> Example:
        if len(pairs) == 1:
            return pairs[0] if isinstance(pairs[0], Example) else self.alone(pairs[0])
        return diptych(*(self.sizes.halves(*pairs) if self.sizes else pairs), self.another_in_phrase)

    def alone(self, pair: Pair) -> Example:
        return single(self.sizes.pair(pair) if self.sizes else pair)

    def read(self, row: int) -> Pair | Example | None:
        """As it lies there. None where the row is bad, which is remembered."""
        if (row,) in self.bad:
            return None
        try:
            pair = self.source[row]
        except BadRow as error:
            self.bad[row,] = error
            return None
        try:
            if isinstance(pair, Pair):
                check_words(pair)
        except BadRow as error:
            self.bad[row,] = BadRow(f"{self.source.where(row)}: {error}", error.reason)
            return None
        return pair

    def sized(self, example: Example) -> Example:
        return self.sizes.example(example, self.source.ready) if self.sizes else example

    def _reasons(self) -> list[str]:
        by_reason: dict[str, list[BadRow]] = defaultdict(list)
        for error in self.bad.values():
            by_reason[error.reason].append(error)
        return [
            f"Skipped for {reason}: {len(errors)}, such as {errors[0]}"
            for reason, errors in sorted(by_reason.items())
        ]
