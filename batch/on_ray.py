"""The same rows through Ray Data: read → `map_batches` over actors, a server each → write Parquet.

Ray schedules, restarts and scales; a batch that it hands out anew draws only what no journal has.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import ray
from pyarrow import parquet

from tools.comfy_server import ROOT
from tools.table import Wrong

from .check import Check
from .draw import Drawer, Plan, Rules
from .graph import Graph
from .journal import Journal
from .own import ALL, one_of, own_in, stop_servers
from .run import Run

ROWS = 8  # in a batch: what an actor that dies leaves to another, less what its journal has
SCHEMA = pa.schema([("row", pa.int64()), ("values", pa.string()), ("files", pa.string())])


class Actor:
    """Owns a GPU and the server on it, or the connection to one."""

    def __init__(
        self, graph: Graph, rules: Rules, output: str, addresses: Sequence[str], settings: dict
    ) -> None:
        self.journal = Journal(Path(output) / "journal")
        servers = Path(output) / "servers"
        self.server = one_of(servers, addresses) if addresses else own_in(servers, settings)
        self.server.start()
        atexit.register(self.server.stop)
        self.drawer = Drawer(graph, self.server, self.journal, rules)

    def __call__(self, batch: pa.Table) -> pa.Table:
        self.journal.catch_up()
        plans = [
            Plan(row["row"], json.loads(row["values"]), json.loads(row["files"]))
            for row in batch.to_pylist()
            if row["row"] not in self.journal.keys
        ]
        lines = list(self.drawer.draw(plans))
        return pa.table(
            {
                "row": pa.array([line["row"] for line in lines], pa.int64()),
                "line": pa.array([json.dumps(line, default=str) for line in lines], pa.string()),
            }
        )


def draw_on_ray(
    run: Run,
    check: Check,
    addresses: Sequence[str],
    settings: dict,
    actors: int | None,
    address: str | None,
) -> None:
    servers = run.output / "servers"
    if run.good == run.done:
        stop_servers(servers)
        return
    plan = _write_plan(run, check, run.output / "plan.parquet")
    address = address or os.environ.get("RAY_ADDRESS")  # as Ray itself would
    # a cluster's workers must be told where this package is; those of this process look where it does
    elsewhere = {"runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT)}}}
    ray.init(
        address=address,
        log_to_driver=False,
        logging_level=logging.ERROR,
        **(elsewhere if address else {"include_dashboard": False}),
    )
    local = "://" not in run.rules.pictures  # and then named from where this process is
    rules = replace(run.rules, pictures=str(Path(run.rules.pictures).resolve())) if local else run.rules
    gpus = 0 if addresses else int(ray.cluster_resources().get("GPU", 0))
    count = actors or len(addresses) or gpus or 1
    if gpus:
        stop_servers(servers, ALL)  # it would share one with an actor's
    finished = threading.Event()
    watch = threading.Thread(target=_watch, args=(run, finished))
    watch.start()
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = ray.data.read_parquet(str(plan.resolve())).repartition(target_num_rows_per_block=ROWS)
        drawn = rows.map_batches(
            Actor,
            fn_constructor_args=(run.graph, rules, str(run.output.resolve()), list(addresses), settings),
            batch_size=ROWS,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_gpus=1 if gpus else 0,
            num_cpus=0,  # it waits for its server; CPUs are for what reads the plan
        )
        try:
            drawn.write_parquet(str(run.output.resolve() / "parts" / time.strftime("%Y%m%d-%H%M%S")))
        except Exception as error:  # of several kinds of Ray's, with our Wrong as text; others go on
            if told := re.search(rf"{Wrong.__name__}: (.+)", str(error)):
                raise Wrong(told[1]) from None
            raise
    finally:
        finished.set()
        watch.join()
        ray.shutdown()
        stop_servers(servers)


def _write_plan(run: Run, check: Check, file: Path) -> Path:
    """Rows that are left, as Ray reads them."""
    plans = run.left(check)
    with parquet.ParquetWriter(file, SCHEMA) as writer:
        while some := list(islice(plans, 1000)):
            rows = [
                {"row": p.number, "values": json.dumps(p.values, default=str), "files": json.dumps(p.files)}
                for p in some
            ]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return file


def _watch(run: Run, finished: threading.Event) -> None:
    """Progress, from the journals of all actors."""
    journal = Journal(run.journal.folder)
    for _ in journal.news():
        pass
    with run.progress() as bar:
        while True:
            last = finished.wait(0.5)
            for line in journal.news():
                if "status" in line:
                    run.tell(bar, line)
            if last:
                return
