"""Parquet shards, read a row group at a time: a shard is never in memory as a whole.

pyarrow alone reads them. No file stays open, so a source can be handed to other processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from .folder import existing
from .order import WINDOW
from .pair import BadRow

KEEP = 2 * WINDOW + 1  # row groups in memory: what two modes mix at a time, and one more


class Group(NamedTuple):
    file: Path
    number: int  # in the file
    rows: int


class Shards:
    """The row groups of all shards in a folder, by number, in the order of the shards' names."""

    def __init__(self, folder: str | Path, needed: Sequence[str], keep: int = KEEP) -> None:
        self.folder = existing(folder)
        self.columns: dict[Path, frozenset[str]] = {}
        self.groups: list[Group] = []
        for file in sorted(self.folder.rglob("*.parquet")):
            self._open(file, needed)
        if not self.columns:
            raise ValueError(
                f"The folder {self.folder} has no *.parquet in it. Put the data set's shards there."
            )
        self._kept = lru_cache(maxsize=keep)(self._table)

    def index(self, number: int, columns: Sequence[str]) -> list[dict]:
        """A group's rows with these small columns; those that its shard lacks are left out."""
        file = self.groups[number].file
        try:
            return self._table(number, tuple(c for c in columns if c in self.columns[file])).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise ValueError(_damaged(file, error)) from None

    def row(self, number: int, row: int, columns: tuple[str, ...]) -> dict:
        """One row of a group; BadRow where the group cannot be read."""
        try:
            return self._kept(number, columns).slice(row, 1).to_pylist()[0]
        except (pa.ArrowException, OSError) as error:
            raise BadRow(_damaged(self.groups[number].file, error), "damaged shard") from None

    def where(self, number: int, row: int) -> str:
        group = self.groups[number]
        before = sum(g.rows for g in self.groups if g.file == group.file and g.number < group.number)
        return f"{group.file}, row {before + row}"

    def _open(self, file: Path, needed: Sequence[str]) -> None:
        try:
            with parquet.ParquetFile(file) as shard:
                self.columns[file] = frozenset(shard.schema_arrow.names)
                counts = [shard.metadata.row_group(i).num_rows for i in range(shard.num_row_groups)]
        except (pa.ArrowException, OSError) as error:
            raise ValueError(_damaged(file, error)) from None
        for column in needed:
            if column not in self.columns[file]:
                found = ", ".join(sorted(self.columns[file]))
                raise ValueError(
                    f"{file} has no column {column!r}; its columns are: {found}. "
                    "It is of another data set: take it out of the folder, or set another kind of data."
                )
        self.groups += [Group(file, i, rows) for i, rows in enumerate(counts)]

    def _table(self, number: int, columns: tuple[str, ...]) -> pa.Table:
        group = self.groups[number]
        with parquet.ParquetFile(group.file) as shard:
            return shard.read_row_group(group.number, list(columns), use_threads=False)


def picture_bytes(cell: object, where: str) -> bytes:
    """Of a column of pictures: its bytes alone, or a struct with `bytes`."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise BadRow(
            f"{where}: the picture's bytes are not in the shard. Save the data set with its pictures in it.",
            "no picture",
        )
    return data


def _damaged(file: Path, error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return f"{file} cannot be read as Parquet ({reason}). Download it again, or take it out of the folder."
