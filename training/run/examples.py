"""What a run learns from, by stage and number: the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..data.example import Example
from ..data.feed import Feed
from ..data.pair import BadRow
from ..encoders import Encoder
from ..network.batch import Encoded, encode_example, shape_of, spans_of
from .chance import seeded
from .drop import drop

SHAPES = 1 << 20  # that are remembered, since a shape costs reading the pictures


class Examples:
    """`feeds` are the stages'. Shapes are known without encoding, so that each process encodes its own
    share of a step alone."""

    def __init__(self, config: dict, feeds: Sequence[Feed], encoder: Encoder) -> None:
        self.config, self.feeds, self.encoder = config, feeds, encoder
        self.example = lru_cache(4 * config["batch"])(self._example)
        self.shape = lru_cache(SHAPES)(self._shape)
        for feed in feeds:
            feed.check = self._check

    def _check(self, example: Example) -> None:
        """What the caption says letter by letter the tokenizer may read otherwise."""
        try:
            spans_of(example, self.encoder)
        except ValueError as error:
            raise BadRow(str(error), "phrase lost") from None

    def encoded(self, stage: int, number: int) -> Encoded:
        return encode_example(self.example(stage, number), self.encoder, self.config["condition_prompts"])

    def _example(self, stage: int, number: int) -> Example:
        rng = seeded(self.config["seed"], stage, number, "drop")
        return drop(self.feeds[stage][number], self.config["drop"], rng)

    def _shape(self, stage: int, number: int) -> tuple:
        return shape_of(self.example(stage, number), self.encoder, self.config["condition_prompts"])
