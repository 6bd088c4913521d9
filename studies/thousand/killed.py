"""`make bench-batch`: all that can die in a batch on Ray is killed in its middle, into docs/batch.md."""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyarrow import parquet

from batch.journal import Journal
from tools.comfy_server import ROOT, link_packs
from tools.report import write_section

from .hundred_thousand import GRAPH, PAGE

ROWS = 120
SLOW = {"width": 600, "height": 600, "batch_size": 1, "color": 0}  # so that there is a middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--told", default="", help="of the machine: it stands below the table")
    args = parser.parse_args()
    rows = []
    for what, kill in KILLED.items():
        with tempfile.TemporaryDirectory() as name:
            rows.append(f"| {what} | " + " | ".join(map(str, killed(Path(name), kill))) + " |")
            print(rows[-1], flush=True)
    lines = [
        f"{ROWS} rows of a stub graph through Ray, two actors with a server each, `kill -9` when a third is "
        "drawn. Where that ends the command it is given again.",
        "",
        "| killed | rows in the ledger | drawn | in it twice | pictures the servers saved |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "A picture that a server had saved when it was killed, before anybody heard of it, is drawn again: "
        "servers may save as many more than there are rows as were in their queues.",
        *(["", args.told] if args.told else []),
    ]
    write_section(PAGE, "What was killed", "make bench-batch", lines)


def killed(folder: Path, kill: Callable[[Path, subprocess.Popen], None]) -> tuple[int, int, int, int]:
    (folder / "graph.json").write_text(json.dumps(GRAPH | {"1": GRAPH["1"] | {"inputs": SLOW}}))
    with (folder / "table.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([["1/color"], *([k] for k in range(ROWS))])
    command = [sys.executable, "-m", "batch", "run", "--ray", "--actors", "2"]
    command += ["--comfy-arguments", "--cpu --disable-all-custom-nodes"]
    for flag, name in (("--graph", "graph.json"), ("--table", "table.csv"), ("--output", "out")):
        command += [flag, str(folder / name)]
    command += ["--base", str(link_packs(folder / "comfy"))]
    out, process = folder / "out", subprocess.Popen(command, cwd=ROOT)
    while sum(1 for _ in Journal(out / "journal").finished()) < ROWS // 3:
        if process.poll() is not None:
            raise RuntimeError(f"The batch ended before its middle: {process.returncode}.")
        time.sleep(0.05)
    kill(out, process)
    if process.wait():
        subprocess.run(command, cwd=ROOT, check=True)
    rows = parquet.read_table(out / "ledger.parquet").to_pylist()
    numbers = [row["row"] for row in rows]
    drawn = sum(row["status"] == "drawn" for row in rows)
    saved = sum(1 for _ in out.glob("servers/*/output/*.png"))
    return len(rows), drawn, len(numbers) - len(set(numbers)), saved


def a_server(out: Path, process: subprocess.Popen) -> None:
    note = sorted(out.glob("servers/*/server.json"))[0]
    os.killpg(json.loads(note.read_text())["pid"], signal.SIGKILL)


def an_actor(out: Path, process: subprocess.Popen) -> None:
    os.kill(int(sorted((out / "journal").glob("*.jsonl"))[0].stem.split("-")[2]), signal.SIGKILL)


def the_command(out: Path, process: subprocess.Popen) -> None:
    process.kill()


def the_head(out: Path, process: subprocess.Popen) -> None:
    """The local cluster's own processes: children of the command."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = file.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if rest.split()[1] == str(process.pid) and name in ("gcs_server", "raylet"):
            os.kill(int(file.parent.name), signal.SIGKILL)


KILLED = {
    "a server under an actor": a_server,
    "an actor": an_actor,
    "the command": the_command,
    "Ray's head (gcs_server and raylet)": the_head,
}


if __name__ == "__main__":
    main()
