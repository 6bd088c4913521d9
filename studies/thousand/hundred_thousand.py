"""`make bench-batch`: 100,000 rows of a stub graph checked, planned and resumed, into docs/batch.md."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from batch.check import Check
from batch.draw import plan_of
from batch.graph import bind
from batch.server import Remote
from tools.comfy_server import ROOT, ComfyServer, host_from_environment, link_packs
from tools.report import write_section
from tools.table import columns_of, open_table

PAGE = ROOT / "docs" / "batch.md"
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "stub"}},
}
LEFT = 50  # rows that are really drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--told", default="", help="of the machine: it stands below the table")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        base = link_packs(Path(name) / "comfy")
        quick = ("--cpu", "--disable-all-custom-nodes")
        with ComfyServer(base, *host_from_environment(), quick) as server:
            for count in args.rows:
                rows.append(measured(Path(name) / str(count), count, server.address))
    lines = [
        f"A stub graph (core's EmptyImage) from a CSV table, of which all but {LEFT} rows are in the journal "
        "already. Seconds and memory are the whole command's: `check` reads, checks and compares every row; "
        f"`run` does that, draws the {LEFT} and writes the ledger.",
        "",
        "| rows | check of a new table: seconds, MB | check of one begun | run of the rest |",
        "|---|---|---|---|",
        *rows,
        *(["", args.told] if args.told else []),
    ]
    write_section(PAGE, "A hundred thousand rows", "make bench-batch", lines)


def measured(folder: Path, count: int, address: str) -> str:
    folder.mkdir()
    table, output = folder / "table.csv", folder / "out"
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    with table.open("w") as lines:
        lines.write("1/color,name\n")
        lines.writelines(f"{k},picture number {k}\n" for k in range(count))
    given = f"--graph {folder / 'graph.json'} --table {table} --output {output} --server {address}"
    shown = [command("check", given)]
    journal_of(table, output, address, count - LEFT)
    shown += [command("check", given), command("run", given)]
    return f"| {count:,} | " + " | ".join(f"{s:.1f} s, {mb:.0f} MB" for s, mb in shown) + " |"


def journal_of(table: Path, output: Path, address: str, count: int) -> None:
    """As a run that was killed leaves it, without its pictures."""
    check = Check(bind(GRAPH, columns_of(table), {}), Remote(address).info(), table.parent)
    with (output / "journal" / "19700101-000000-0-stub.jsonl").open("w") as lines:
        for row in open_table(table):
            if row.number > count:
                break
            plan = plan_of(check, row.number, check.read(row)[0])
            own = {"row": row.number, "key": plan.key, "status": "drawn", "tries": 1, "server": address}
            own |= {"prompt": None, "seed": None, "files": [f"{row.number:06d}.png"], "seconds": 0.1}
            lines.write(json.dumps(own | {"values": plan.values}) + "\n")


def command(what: str, given: str) -> tuple[float, float]:
    """Seconds, and the most memory it held."""
    start = time.monotonic()
    arguments = [sys.executable, "-m", "batch", what, *shlex.split(given)]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"python -m batch {what} {given} failed.")
    return time.monotonic() - start, _megabytes(used)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
