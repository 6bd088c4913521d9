"""The journal as one Parquet table: a row a picture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from .journal import Journal

DRAWN_FROM = "musar_table_folder"  # in the file's metadata
FIXED = {
    "row": pa.int64(),
    "status": pa.string(),  # drawn or failed
    "prompt": pa.string(),
    "seed": pa.uint64(),  # or of another kind, where there are negative ones
    "files": pa.list_(pa.string()),
    "saved_by": pa.list_(pa.string()),  # titles of the nodes that saved them
    "seconds": pa.float64(),
    "tries": pa.int64(),
    "server": pa.string(),
    "owners": pa.list_(pa.string()),  # the subjects, where the graph has a MUSAR Routing Preview
    "owned": pa.list_(pa.float64()),  # share of the picture that each owned
    "leak": pa.list_(pa.list_(pa.float64())),  # attention of each subject's part to each reference
    "error": pa.string(),
}


def write_ledger(journal: Journal, file: Path, columns: Sequence[str], folder: Path) -> Counter:
    """Its rows lie as they were finished. Says how many have which status. `folder`: the table's, which the
    pictures that it names may be named from."""
    kinds, seed = _kinds(journal, columns)
    fixed = FIXED | {"seed": seed}
    names = {column: column if column not in FIXED else f"table {column}" for column in columns}
    schema = pa.schema([*fixed.items(), *((names[c], kinds[c]) for c in columns)])
    schema = schema.with_metadata({DRAWN_FROM: str(folder)})
    counts, lines, part = Counter(), journal.finished(), file.with_suffix(".part")
    with parquet.ParquetWriter(part, schema) as writer:
        while some := list(islice(lines, 1000)):
            counts.update(line["status"] for line in some)
            rows = [
                {name: line.get(name) for name in FIXED}
                | {"seed": _as(line.get("seed"), seed)}
                | {names[c]: _as(line["values"].get(c), kinds[c]) for c in columns}
                for line in some
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    part.replace(file)
    return counts


def _kinds(journal: Journal, columns: Sequence[str]) -> tuple[dict[str, pa.DataType], pa.DataType]:
    """What holds every value of a column, and every seed."""
    seen, seeds = {column: Seen() for column in columns}, Seen()
    for line in journal.finished():
        seeds.add(line.get("seed"))
        for column in columns:
            seen[column].add(line["values"].get(column))
    return {column: one.kind for column, one in seen.items()}, seeds.kind if seeds.kinds else FIXED["seed"]


class Seen:
    """Values of one column."""

    def __init__(self) -> None:
        self.kinds: set[type] = set()
        self.least = self.most = 0

    def add(self, value: object) -> None:
        if value is not None:
            self.kinds.add(type(value))
        if type(value) is int:
            self.least, self.most = min(self.least, value), max(self.most, value)

    @property
    def kind(self) -> pa.DataType:
        if self.kinds == {int}:
            if self.least >= 0 and self.most < 2**64:
                return pa.uint64()
            return pa.int64() if -(2**63) <= self.least and self.most < 2**63 else pa.string()
        if self.kinds and self.kinds <= {int, float}:
            return pa.float64()
        return pa.bool_() if self.kinds == {bool} else pa.string()


def _as(value: object, kind: pa.DataType) -> object:
    if kind != pa.string() or value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str)
