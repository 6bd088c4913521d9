"""A server that the command starts: killed, hung, and taken over after the command was killed."""

import json
import os
import signal
import time
from pathlib import Path

from batch.journal import Journal

from .conftest import QUICK, finished, ledger, plain, start


def wait_for(rows, out, process):
    while sum(1 for _ in Journal(out / "journal").finished()) < rows:
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()[0]


def pid_of(out):
    (note,) = out.glob("servers/*/server.json")
    return json.loads(note.read_text())["pid"]


def test_killed_command_then_killed_and_stopped_server(written, tmp_path):
    out = tmp_path / "out"
    rows = [{"Colour/color": k} for k in range(1, 46)]
    arguments = [*written(rows, plain(300)), "--comfy-arguments", QUICK, "--base", tmp_path / "comfy"]
    (tmp_path / "comfy" / "custom_nodes").mkdir(parents=True)
    process = start(*arguments)
    wait_for(5, out, process)
    first = pid_of(out)
    process.kill()
    process.wait()

    process = start(*arguments, "--patience", 5)  # takes the server over
    wait_for(15, out, process)
    assert pid_of(out) == first
    pictures = sum(len(list(folder.glob("*.png"))) for folder in out.glob("servers/*/output"))
    assert pictures <= sum(1 for _ in Journal(out / "journal").finished()) + 2  # what is in its queue
    os.killpg(first, signal.SIGKILL)
    wait_for(28, out, process)
    second = pid_of(out)
    assert second != first
    os.killpg(second, signal.SIGSTOP)  # hangs
    finished(process)
    assert [(r["row"], r["status"]) for r in ledger(tmp_path)] == [(k, "drawn") for k in range(1, 46)]
    assert not list(out.glob("servers/*/server.json")) and not Path(f"/proc/{second}").exists()


def test_server_of_a_command_that_was_killed_while_it_started(written, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "comfy" / "custom_nodes").mkdir(parents=True)
    rows = [{"Colour/color": k} for k in range(1, 4)]
    arguments = [*written(rows), "--comfy-arguments", QUICK, "--base", tmp_path / "comfy"]
    process = start(*arguments)
    while not list(out.glob("servers/*/server.json")):
        time.sleep(0.01)
        assert process.poll() is None
    first = pid_of(out)
    process.kill()
    process.wait()
    os.killpg(first, signal.SIGSTOP)  # it will never be up
    finished(start(*arguments))
    assert [r["status"] for r in ledger(tmp_path)] == ["drawn"] * 3
    stat = Path(f"/proc/{first}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"
