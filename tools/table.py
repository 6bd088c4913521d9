"""Rows of a CSV, JSONL or Parquet file, one after another: a table never lies in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

KINDS = {".csv": "CSV", ".jsonl": "JSONL", ".parquet": "Parquet"}


class Wrong(Exception):
    """It cannot be done as it stands; the text says why, a sentence a line."""


@dataclass(frozen=True)
class Row:
    number: int  # from 1
    values: dict[str, object] = field(default_factory=dict)
    broken: str = ""  # why it cannot be read


def open_table(file: Path) -> Iterator[Row]:
    return {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[_kind(file)](file)


def columns_of(file: Path) -> list[str]:
    match _kind(file):
        case ".csv":
            with file.open(encoding="utf-8-sig", newline="") as lines:
                columns = next(csv.reader(lines), [])
        case ".jsonl":
            columns = list(dict.fromkeys(name for row in _jsonl(file) for name in row.values))
        case _:
            from pyarrow import parquet

            columns = parquet.read_schema(file).names
    if not columns:
        raise Wrong(f"The table {file} names no columns. Its first line names them in CSV.")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise Wrong(f"The table {file} has the column {twice[0]!r} twice. Take one away.")
    return columns


def _kind(file: Path) -> str:
    if not file.is_file():
        raise Wrong(f"--table is {file}, and there is no such file.")
    if file.suffix.lower() not in KINDS:
        raise Wrong(
            f"The table {file} is none of {', '.join(KINDS.values())}. Give it one of {', '.join(KINDS)}."
        )
    return file.suffix.lower()


def _csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader, [])
        for number, cells in enumerate(filter(None, reader), 1):
            if len(cells) == len(header):
                yield Row(number, dict(zip(header, cells)))
            else:
                yield Row(number, broken=f"{len(cells)} cells for {len(header)} columns")


def _jsonl(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(filter(str.strip, lines), 1):
            try:
                values = json.loads(line)
            except ValueError:
                values = None
            yield Row(number, values) if isinstance(values, dict) else Row(number, broken="no JSON object")


def _parquet(file: Path) -> Iterator[Row]:
    from pyarrow import parquet

    number = 0
    for batch in parquet.ParquetFile(file).iter_batches(batch_size=1000):
        for values in batch.to_pylist():
            number += 1
            yield Row(number, values)
