"""The same table through Ray Data."""

import os
import signal
import time

from batch.journal import Journal

from .conftest import finished, ledger, plain, start


def done(out):
    """Rows that are finished."""
    return sum(1 for _ in Journal(out / "journal").finished()) if (out / "journal").exists() else 0


def workers(out):
    """Process ids of those that have begun a row, from their journals' names."""
    return [int(file.stem.split("-")[2]) for file in (out / "journal").glob("*.jsonl")]


def test_the_command_killed_and_then_one_of_two_actors(server, written, tmp_path):
    """Actors go with their command. Rows that the server has still are asked for, and not drawn anew: every
    row once, and the server saves as many pictures as there are rows."""
    rows = [{"Colour/color": k} for k in range(1, 91)]
    graph = plain(200)
    graph["2"]["inputs"]["filename_prefix"] = "ray/it"
    both = f"{server.address},{server.address}"
    arguments = [*written(rows, graph), "--servers", both, "--ray", "--actors", 2]
    out = tmp_path / "out"

    def in_the_middle(of, new):
        """Started; `of` rows are finished, and there are `new` workers more."""
        process, before = start(*arguments), set(workers(out))
        while len(there := set(workers(out)) - before) < new or done(out) < of:
            time.sleep(0.05)
            assert process.poll() is None, process.communicate()[0]
        assert done(out) < len(rows)
        return process, there

    process, _ = in_the_middle(20, 1)
    process.kill()
    process.wait()
    process, there = in_the_middle(done(out) + 10, 2)
    os.kill(there.pop(), signal.SIGKILL)
    finished(process)
    assert [(r["row"], r["status"]) for r in ledger(tmp_path)] == [(k, "drawn") for k in range(1, 91)]
    assert len(list((server.base / "output" / "ray").glob("it_*.png"))) == 90
    assert list(out.glob("parts/*/*.parquet"))


def test_a_picture_that_cannot_be_put_down_ends_in_a_sentence(server, written, tmp_path):
    """What an actor raises comes through Ray as it is."""
    (tmp_path / "out" / "pictures" / "000002.png").mkdir(parents=True)
    rows = [{"Colour/color": k} for k in range(1, 4)]
    process = start(*written(rows), "--server", server.address, "--ray", "--actors", 1)
    said = process.communicate()[0]
    assert "000002.png could not be written, 3 times" in said and process.returncode == 1
    assert "Traceback" not in said
