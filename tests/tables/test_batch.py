"""A table in, a table out, on somebody else's server."""

import json
import signal
import time
from datetime import datetime

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from batch.draw import Drawer, Plan, Rules
from batch.graph import bind
from batch.journal import Journal
from batch.ledger import write_ledger
from batch.own import OneOf
from tools.table import Wrong

from .conftest import finished, ledger, plain, start

RUN = "00000000-0000-0000-0000-000000000000"
COLOURS = [{"Colour/color": 1000 * k, "name": f"no. {k}"} for k in range(1, 6)]


def test_a_row_a_picture(server, written, tmp_path):
    made = [row | {"made": datetime(2026, 1, k)} for k, row in enumerate(COLOURS, 1)]
    said = finished(start(*written(made, name="table.parquet"), "--server", server.address))
    assert "kept in the ledger: name, made" in said and "5 drawn" in said
    rows = ledger(tmp_path)
    assert rows[2]["made"].startswith("2026-01-03") and rows[2]["saved_by"] == ["SaveImage"]
    assert [r["row"] for r in rows] == [1, 2, 3, 4, 5] and [r["name"] for r in rows][2] == "no. 3"
    for row in rows:
        (file,) = row["files"]
        image = Image.open(file)
        r, g, b = np.asarray(image)[0, 0].tolist()
        assert (r << 16) + (g << 8) + b == row["Colour/color"] == 1000 * row["row"]
        assert json.loads(image.info["prompt"])["1"]["inputs"]["color"] == row["Colour/color"]
        assert row["seconds"] >= 0 and row["tries"] == 1 and row["error"] is None


def test_killed_and_gone_on_with(server, written, tmp_path):
    """No picture twice: the server saves as many as the table has rows."""
    rows = [{"Colour/color": k} for k in range(1, 41)]
    graph = plain(300)
    graph["2"]["inputs"]["filename_prefix"] = "killed/it"
    arguments = [*written(rows, graph), "--server", server.address]
    for many in (4, 15):
        process = start(*arguments)
        while sum(1 for _ in Journal(tmp_path / "out" / "journal").finished()) < many:
            time.sleep(0.02)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    newest = max((tmp_path / "out" / "journal").iterdir())
    with newest.open("a") as torn:
        torn.write('{"row": 40, "key"')
    finished(start(*arguments))
    assert [r["row"] for r in ledger(tmp_path)] == list(range(1, 41))
    assert len(list((server.base / "output" / "killed").glob("it_*.png"))) == 40
    assert "40 rows can be drawn, 0 are not" in finished(start(*arguments))


def test_a_base_without_packs_is_told(written, tmp_path):
    process = start(*written(COLOURS[:1]), "--base", str(tmp_path))
    assert "there is no custom_nodes in it" in process.communicate()[0] and process.returncode == 1


def test_other_rows_and_other_graphs_are_told(server, written, tmp_path):
    finished(start(*written(COLOURS[:4]), "--server", server.address))
    finished(start(*written(COLOURS), "--server", server.address))  # a row more at the end
    assert len(ledger(tmp_path)) == 5
    changed = [row | {"Colour/color": 7} if row["name"] == "no. 3" else row for row in COLOURS]
    process = start(*written(changed), "--server", server.address)
    assert "Row 3 of" in process.communicate()[0] and process.returncode == 1
    process = start(*written(COLOURS, plain(32)), "--server", server.address)
    assert "pictures of another graph" in process.communicate()[0] and process.returncode == 1


def test_pictures_at_an_fsspec_address(server, written, tmp_path):
    place = (tmp_path / "elsewhere").as_uri()
    finished(start(*written(COLOURS[:2]), "--server", server.address, "--pictures", place))
    assert [r["files"] for r in ledger(tmp_path)] == [[f"{place}/000001.png"], [f"{place}/000002.png"]]
    assert Image.open(tmp_path / "elsewhere" / "000002.png").size == (16, 16)


def test_a_picture_that_cannot_be_put_down_ends_in_a_sentence(server, written, tmp_path):
    arguments = [*written(COLOURS[:2]), "--server", server.address]
    (tmp_path / "out" / "pictures" / "000002.png").mkdir(parents=True)
    process = start(*arguments)
    said = process.communicate()[0]
    assert "000002.png could not be written, 3 times" in said and "Traceback" not in said
    assert process.returncode == 1
    (tmp_path / "out" / "pictures" / "000002.png").rmdir()
    finished(start(*arguments))
    assert [r["row"] for r in ledger(tmp_path)] == [1, 2]


def test_another_server_where_the_own_one_is_gone(server):
    one = OneOf(["127.0.0.1:9", server.address], 0, None, wait=0.2)
    one.start()
    assert one.address == server.address and "EmptyImage" in one.info()
    with pytest.raises(Wrong, match="No server answers of 127.0.0.1:9, 127.0.0.1:10"):
        OneOf(["127.0.0.1:9", "127.0.0.1:10"], 0, None, wait=0.2).start()


def test_seeds_below_zero_are_in_the_ledger(tmp_path):
    for name, seeds in (("some", (-1, 5)), ("large", (2**64 - 1, 5)), ("both", (-1, 2**64 - 1))):
        journal = Journal(tmp_path / name)
        for k, seed in enumerate(seeds, 1):
            told = {"row": k, "key": "0", "status": "drawn", "tries": 1, "seed": seed, "values": {}}
            journal.finish(told)
        write_ledger(journal, tmp_path / "ledger.parquet", [], tmp_path)
        found = parquet.read_table(tmp_path / "ledger.parquet").column("seed").to_pylist()
        assert [int(seed) for seed in found] == list(seeds)


def test_rows_that_fail_are_in_the_ledger(server, written, tmp_path):
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Picture"}},
        "2": {
            "class_type": "ImageCrop",
            "inputs": {"image": ["1", 0], "width": 8, "height": 8, "x": 0, "y": 0},
            "_meta": {"title": "Crop"},
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "failing"}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.png")
    rows = [{"Picture/image": "a.png", "3/filename_prefix": name} for name in ("failing/it", "../outside")]
    said = finished(start(*written(rows, graph), "--server", server.address))
    first, second = ledger(tmp_path)
    assert first["status"] == "drawn" and "1 drawn, 1 failed" in said
    assert second["status"] == "failed" and second["tries"] == 3 and "SaveImage: " in second["error"]
    said = finished(start(*written(rows, graph), "--server", server.address))
    assert "2 rows can be drawn, 0 are not drawn yet" in said
    finished(start(*written(rows, graph), "--server", server.address, "--again"))
    assert [(r["status"], r["tries"]) for r in ledger(tmp_path)] == [("drawn", 1), ("failed", 6)]


def test_a_journal_without_room_ends_the_run(server, written, tmp_path):
    """And fails no row: none was drawn."""
    full = Journal(tmp_path / "journal")
    full.own.mkdir()
    drawer = Drawer(
        bind(plain(), ["1/color"], {}), OneOf([server.address], 0, None), full, Rules(RUN, str(tmp_path))
    )
    with pytest.raises(Wrong, match="could not be written .*Make room; the same command goes on"):
        list(drawer.draw([Plan(1, {"1/color": 5}, {})]))
    full.own.rmdir()
    assert list(full.finished()) == []


def test_a_journal_is_only_added_to(tmp_path):
    """Torn lines are no lines, and a row counts as it ended."""
    one, two = Journal(tmp_path), Journal(tmp_path)
    one.begin(1, "a:1", 1)
    one.finish({"row": 1, "key": "aa", "status": "failed", "tries": 3})
    two.finish({"row": 1, "key": "aa", "status": "drawn", "tries": 4})
    two.begin(2, "b:1", 2)
    with one.own.open("a") as torn:
        torn.write('{"row": 3')
    read = Journal(tmp_path)
    read.catch_up()
    assert read.keys == {1: 0xAA} and read.begun[2].attempt == 2 and not read.failed
    assert [line["status"] for line in read.finished()] == ["drawn"]
    with one.own.open("a") as rest:
        rest.write(', "key": "bb", "status": "drawn"}\n')
    read.catch_up()
    assert read.keys == {1: 0xAA, 3: 0xBB}
