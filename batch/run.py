"""A run: its folder, its rows checked and planned, and those that are not drawn yet."""

from __future__ import annotations

import fcntl
import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import fsspec
from tqdm import tqdm

from tools.table import Wrong, columns_of, open_table

from .check import Check, Faults
from .draw import Drawer, Plan, Rules, plan_of
from .graph import Graph, bind, read_graph, read_map
from .journal import Journal
from .ledger import write_ledger
from .own import wait_for_workers
from .server import Remote


@dataclass
class Run:
    graph: Graph
    table: Path
    columns: list[str]
    output: Path
    journal: Journal
    rules: Rules
    lock: TextIO
    bad: set[int] = field(default_factory=set)
    good: int = 0

    def examine(self, check: Check, skip_bad: bool) -> None:
        """Every row, before the first picture."""
        faults, self.good = Faults(), 0
        for row in tqdm(open_table(self.table), "checking", unit="row", disable=None):
            values, wrong = check.read(row)
            faults.add(row.number, wrong)
            self.good += not wrong
            done = self.journal.keys.get(row.number)
            if not wrong and done is not None and done != int(plan_of(check, row.number, values).key, 16):
                raise Wrong(
                    f"Row {row.number} of {self.table} is another than the one that {self.output} has a "
                    "picture of. Rows may be added at the end; for others give another --output."
                )
        self.bad = faults.rows
        if faults.rows:
            told = "\n".join(faults.sentences())
            count = f"{len(faults.rows)} of {len(faults.rows) + self.good} rows"
            if not skip_bad:
                raise Wrong(f"{told}\n{count} cannot be drawn. Mend them, or go on without them: --skip-bad.")
            print(f"{told}\n{count} are left out.")
        if not self.good:
            raise Wrong(f"The table {self.table} has no row to draw.")

    @property
    def done(self) -> int:
        return len(self.journal.keys.keys() - self.bad)

    def left(self, check: Check) -> Iterator[Plan]:
        """Rows that are not finished, as they come."""
        for row in open_table(self.table):
            if row.number not in self.bad and row.number not in self.journal.keys:
                yield plan_of(check, row.number, check.read(row)[0])

    def draw(self, check: Check, server: Remote) -> None:
        """On one server."""
        with self.progress() as bar:
            for line in Drawer(self.graph, server, self.journal, self.rules).draw(self.left(check)):
                self.tell(bar, line)

    def progress(self) -> tqdm:
        return tqdm(total=self.good, initial=self.done, desc="drawing", unit="picture", smoothing=0.05)

    def tell(self, bar: tqdm, line: dict) -> None:
        if line["status"] == "failed":
            bar.write(f"Row {line['row']}: {line['error']}", file=sys.stderr)
        bar.update()

    def close(self) -> None:
        file, beside = self.output / "ledger.parquet", self.table.resolve().parent
        counts = write_ledger(self.journal, file, self.columns, beside)
        told = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        print(f"{told or 'nothing drawn'}: {file}")


def open_run(
    graph: Path,
    table: Path,
    output: Path,
    names: Path | None,
    pictures: str | None,
    again: bool,
    **rules: float,
) -> Run:
    """New, or the rest of the one that the folder holds."""
    columns = columns_of(table)
    bound = bind(read_graph(graph), columns, read_map(names))
    output.mkdir(parents=True, exist_ok=True)
    lock = _lock(output)
    wait_for_workers(output / "servers")
    note = output / "run.json"
    if note.exists():
        told = json.loads(note.read_text())
        if told["graph"] != bound.digest:
            raise Wrong(
                f"{output} holds pictures of another graph, or of columns that fill other inputs. Give "
                "another --output, or the graph that it was begun with."
            )
    else:
        told = {"run": str(uuid.uuid4()), "graph": bound.digest}
        part = note.with_suffix(".part")
        part.write_text(json.dumps(told))
        part.replace(note)
    pictures = pictures or str(output / "pictures")
    place, path = fsspec.core.url_to_fs(pictures)
    place.makedirs(path, exist_ok=True)
    journal = Journal(output / "journal")
    journal.catch_up()
    if again:
        for row in journal.failed:
            del journal.keys[row]
    return Run(bound, table, columns, output, journal, Rules(told["run"], pictures, **rules), lock)


def _lock(output: Path) -> TextIO:
    lock = (output / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Wrong(f"{output} is in use by another run. Wait for it, or give another --output.") from None
    return lock
