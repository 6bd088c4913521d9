"""Subjects200K from a folder of Parquet shards: a composite of two pictures of one subject is two pairs.

Same-kind diptychs go by the data set's category (`pair_by`), as the paper's do; "another" is said
where the items are the same, since "another Noguchi table" next to an Eames chair would be wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from .composite import cells
from .pair import BadRow, Pair, Source
from .parquet import KEEP, Shards, picture_bytes
from .pixels import decode
from .words import phrase_of

SCORES = ("compositeStructure", "objectConsistency", "imageQuality")
SMALL = ("description", "quality_assessment", "collection")
LARGE = ("description", "image")


class Subjects200K(Source):
    """Row 2i: composite i with its left picture as the reference. Row 2i + 1: with its right one."""

    pictures_twice = True

    def __init__(
        self,
        folder: str | Path,
        min_quality: int = 5,
        collection: str | None = None,
        pair_by: str = "category",
        keep: int = KEEP,
    ) -> None:
        if pair_by not in ("category", "item"):
            raise ValueError(f"Pairs go by 'category' or by 'item', not by pair_by: {pair_by!r}.")
        self.shards = Shards(folder, ("image", "description"), keep)
        self.name = str(self.shards.folder)
        self.min_quality, self.collection, self.pair_by = min_quality, collection, pair_by
        self.left_out: Counter[str] = Counter()
        self.kinds: list[str] = []
        kept: list[tuple[int, int]] = []  # row group, row in it
        self.starts = [0]  # where the composites of each row group begin
        for number in range(len(self.shards.groups)):
            kept += [(number, row) for row in self._index(number)]
            self.starts.append(len(kept))
        self.kept = np.array(kept, int).reshape(-1, 2)
        if not kept:
            raise ValueError(f"{self.notes()[0]} Lower min_quality, or add shards.")

    def __len__(self) -> int:
        return 2 * len(self.kept)

    def __getitem__(self, row: int) -> Pair:
        number, at = self._place(row)
        found = self.shards.row(number, at, LARGE)
        composite = decode(picture_bytes(found["image"], self.where(row)), self.where(row))
        try:
            boxes = cells(composite.shape[1], composite.shape[0])
        except BadRow as error:
            raise BadRow(f"{self.where(row)}: {error}", error.reason) from None
        left, right = (composite[top:bottom, start:stop] for start, top, stop, bottom in boxes)
        reference, target = (left, right) if row % 2 == 0 else (right, left)
        description = found["description"]
        words = _item(description)
        sentence = description["description_1" if row % 2 == 0 else "description_0"].strip()
        return Pair(reference, target, words, f"{words}. {sentence}", _same(phrase_of(words)))

    def kind(self, row: int) -> str:
        return self.kinds[row // 2]

    def subject(self, row: int) -> int:
        return row // 2

    def groups(self) -> list[range]:
        return [range(2 * a, 2 * b) for a, b in zip(self.starts, self.starts[1:]) if a < b]

    def where(self, row: int) -> str:
        return f"{self.shards.where(*self._place(row))} ({'right' if row % 2 == 0 else 'left'} as target)"

    def notes(self) -> list[str]:
        total = len(self.kinds) + self.left_out.total()
        why = "".join(f"; left out: {count} for {reason}" for reason, count in sorted(self.left_out.items()))
        return [f"{self.name}: {len(self.kinds)} of {total} composites kept{why}."]

    def _place(self, row: int) -> tuple[int, int]:
        number, at = self.kept[row // 2].tolist()
        return number, at

    def _index(self, number: int) -> list[int]:
        """Which rows of a row group are kept; their kinds are noted."""
        self._check_columns(self.shards.groups[number].file)
        kept = []
        for row, found in enumerate(self.shards.index(number, SMALL)):
            why = self._unfit(found)
            if why:
                self.left_out[why] += 1
                continue
            description = found["description"]
            category = description.get("category") if self.pair_by == "category" else None
            self.kinds.append(sys.intern(_same(category or phrase_of(_item(description)))))
            kept.append(row)
        return kept

    def _check_columns(self, file: Path) -> None:
        there = self.shards.columns[file]
        if self.min_quality > 0 and "quality_assessment" not in there:
            raise ValueError(
                f"{file} has no column 'quality_assessment', so its pairs cannot be kept by min_quality: "
                f"{self.min_quality}. Set min_quality: 0 to take them all, or use the rated shards."
            )
        if self.collection and "collection" not in there:
            raise ValueError(f"{file} has no column 'collection'. Leave collection: {self.collection} out.")

    def _unfit(self, found: dict) -> str | None:
        """Why a row is left out."""
        if self.collection and found["collection"] != self.collection:
            return "another collection"
        if self.min_quality > 0:
            scores = found["quality_assessment"] or {}
            if any((scores.get(score) or 0) < self.min_quality for score in SCORES):
                return f"a score below {self.min_quality}"
        description = found["description"] or {}
        texts = [description.get(name) for name in ("item", "description_0", "description_1")]
        valid = description.get("description_valid", True)
        if not valid or not all(text and any(map(str.isalnum, text)) for text in texts):
            return "no valid description"
        return None


def _item(description: dict) -> str:
    return " ".join(description["item"].split()).rstrip(" .")


def _same(text: str) -> str:
    """Equal for what is to count as one kind."""
    return " ".join(text.lower().split())
