"""Batches through real ComfyUI servers: a graph of core's EmptyImage, and the tiny FLUX."""

import csv
import json
import os
import subprocess
import sys

import pytest

from gallery.on_sprites import with_sprites
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT, ComfyServer, host_from_environment
from tools.tiny import write_models

QUICK = "--cpu --disable-all-custom-nodes"


def pytest_configure(config):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.exit("COMFYUI_PATH is not set: run `make test-tables`, which fetches ComfyUI.", 2)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Somebody else's."""
    base = tmp_path_factory.mktemp("comfy")
    comfy, python = host_from_environment()
    use_comfy(comfy)
    write_models(base / "models")
    with ComfyServer(with_sprites(base), comfy, python) as running:
        yield running


def plain(side=16):
    """A picture of one colour."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": side, "height": side, "batch_size": 1, "color": 0},
            "_meta": {"title": "Colour"},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "plain"}},
    }


@pytest.fixture
def written(tmp_path):
    """written(rows, graph): files of a table and a graph, and the arguments that name them."""

    def write(rows, graph=None, name="table.csv"):
        table = tmp_path / name
        if name.endswith(".csv"):
            with table.open("w", newline="") as lines:
                writer = csv.DictWriter(lines, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        elif name.endswith(".jsonl"):
            table.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.Table.from_pylist(rows), table)
        (tmp_path / "graph.json").write_text(json.dumps(graph or plain()))
        return ["--graph", tmp_path / "graph.json", "--table", table, "--output", tmp_path / "out"]

    return write


def start(*arguments, what="run"):
    """The command as a person starts it."""
    command = [sys.executable, "-m", "batch", what, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finished(process):
    """What it said, and that it went well."""
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    return said


def ledger(tmp_path):
    from pyarrow import parquet

    return sorted(parquet.read_table(tmp_path / "out" / "ledger.parquet").to_pylist(), key=lambda r: r["row"])
