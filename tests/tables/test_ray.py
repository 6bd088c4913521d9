"""The same table through Ray Data."""

import os
import signal
import time

from batch.journal import Journal

from .conftest import finished, ledger, plain, start


def workers(out):
    """Process ids of those that have begun a row, from their journals' names."""
    return [int(file.stem.split("-")[2]) for file in (out / "journal").glob("*.jsonl")]


def test_two_actors_one_killed_in_the_middle(server, written, tmp_path):
    """Every row once; the server saves as many pictures as there are rows."""
    rows = [{"Colour/color": k} for k in range(1, 61)]
    graph = plain(200)
    graph["2"]["inputs"]["filename_prefix"] = "ray/it"
    arguments = [*written(rows, graph), "--server", server.address, "--ray", "--actors", 2]
    process = start(*arguments)
    out = tmp_path / "out"
    while len(workers(out)) < 2 or sum(1 for _ in Journal(out / "journal").finished()) < 20:
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
    os.kill(workers(out)[0], signal.SIGKILL)
    finished(process)
    assert [(r["row"], r["status"]) for r in ledger(tmp_path)] == [(k, "drawn") for k in range(1, 61)]
    assert len(list((server.base / "output" / "ray").glob("it_*.png"))) == 60
    assert len(workers(out)) >= 2 and list((out / "parts").glob("*/*.parquet"))


def test_the_command_killed_and_given_again(server, written, tmp_path):
    """Its actors go with it. Rows that the server has still are asked for, and not drawn anew."""
    rows = [{"Colour/color": k} for k in range(1, 61)]
    graph = plain(200)
    graph["2"]["inputs"]["filename_prefix"] = "ray_again/it"
    both = f"{server.address},{server.address}"
    arguments = [*written(rows, graph), "--servers", both, "--ray", "--actors", 2]
    process = start(*arguments)
    journal = tmp_path / "out" / "journal"
    while not journal.exists() or sum(1 for _ in Journal(journal).finished()) < 20:
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
    process.kill()
    process.wait()
    begun = sum(1 for _ in Journal(journal).finished())
    assert begun < 60, "it was killed in the middle"
    finished(start(*arguments))
    assert [(r["row"], r["status"]) for r in ledger(tmp_path)] == [(k, "drawn") for k in range(1, 61)]
    assert len(list((server.base / "output" / "ray_again").glob("it_*.png"))) == 60


def test_a_picture_that_cannot_be_put_down_ends_in_a_sentence(server, written, tmp_path):
    """What an actor raises comes through Ray as it is."""
    (tmp_path / "out" / "pictures" / "000002.png").mkdir(parents=True)
    rows = [{"Colour/color": k} for k in range(1, 4)]
    process = start(*written(rows), "--server", server.address, "--ray", "--actors", 1)
    said = process.communicate()[0]
    assert "000002.png could not be written, 3 times" in said and process.returncode == 1
    assert "Traceback" not in said
