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
    "seed": pa.uint64(),
    "files": pa.list_(pa.string()),
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
    kinds = _kinds(journal, columns)
    names = {column: column if column not in FIXED else f"table {column}" for column in columns}
    schema = pa.schema([*FIXED.items(), *((names[c], kinds[c]) for c in columns)])
    schema = schema.with_metadata({DRAWN_FROM: str(folder)})
    counts, lines, part = Counter(), journal.finished(), file.with_suffix(".part")
    with parquet.ParquetWriter(part, schema) as writer:
        while some := list(islice(lines, 1000)):
            counts.update(line["status"] for line in some)
            rows = [
                {name: line.get(name) for name in FIXED}
                | {names[c]: _as(line["values"].get(c), kinds[c]) for c in columns}
                for line in some
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    part.replace(file)
    return counts


def _kinds(journal: Journal, columns: Sequence[str]) -> dict[str, pa.DataType]:
    """What holds every value of a column."""
    seen: dict[str, set[type]] = {column: set() for column in columns}
    negative = set()
    for line in journal.finished():
        for column in columns:
            value = line["values"].get(column)
            if value is not None:
                seen[column].add(type(value))
                if type(value) is int and value < 0:
                    negative.add(column)
    return {column: _kind(kinds, column in negative) for column, kinds in seen.items()}


def _kind(kinds: set[type], negative: bool) -> pa.DataType:
    if kinds == {int}:
        return pa.int64() if negative else pa.uint64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.bool_() if kinds == {bool} else pa.string()


def _as(value: object, kind: pa.DataType) -> object:
    if kind != pa.string() or value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str)
