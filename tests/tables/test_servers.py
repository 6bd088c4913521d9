"""Servers that fail, hide or belong to others: what a batch does then."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import pytest
from PIL import Image

from batch.draw import Drawer, Plan, Rules
from batch.graph import bind
from batch.journal import Journal
from batch.own import one_of, stop_servers, wait_for_workers
from batch.server import Gone, Remote
from tools.comfy_server import Refused
from tools.table import Wrong


class Broken(BaseHTTPRequestHandler):
    """A server that has one answer."""

    code = 500

    def do_POST(self):
        self.send_response(self.code)
        self.end_headers()
        self.wfile.write(b"Internal Server Error: node 7 is upset")

    def log_message(self, *args):
        pass


def answering(handler):
    """The address of a server whose answers are this handler's."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=http.serve_forever, daemon=True).start()
    return f"127.0.0.1:{http.server_port}"


@pytest.mark.parametrize(("code", "raised", "words"), ((500, Refused, "node 7"), (503, Gone, "503")))
def test_an_error_of_the_server_is_an_answer_and_of_a_proxy_is_none(code, raised, words):
    handler = type("Handler", (Broken,), {"code": code})
    with pytest.raises(raised, match=words):
        Remote(answering(handler)).queue({}, "a")


class Up(Broken):
    """It is there, and takes nothing."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


@pytest.fixture
def row(tmp_path):
    """A row with a picture, and who draws it on a server."""
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.png")
    graph = bind({"1": {"class_type": "LoadImage", "inputs": {"image": ""}}}, ["1/image"], {})
    plan = Plan(1, {"1/image": "a.png"}, {"1/image": str(tmp_path / "a.png")})

    def drawer(server, **rules):
        journal = Journal(tmp_path / "journal")
        return Drawer(graph, server, journal, Rules(str(UUID(int=1)), str(tmp_path), **rules))

    return plan, drawer


def test_a_server_that_can_store_no_picture_ends_the_run(row):
    plan, drawer = row
    with pytest.raises(Wrong, match="could not store the picture .*a.png .*500.* Make room"):
        list(drawer(Remote(answering(Up))).draw([plan]))


def test_a_server_that_goes_whenever_it_is_asked_ends_the_run(row, monkeypatch):
    plan, drawer = row
    monkeypatch.setattr("batch.draw.LOST", 2)
    away = type("Away", (Up,), {"code": 502})
    with pytest.raises(Wrong, match="Row 1 could not be queued, 2 times. The server .* says: HTTP Error 502"):
        list(drawer(Remote(answering(away))).draw([plan]))


def test_a_row_that_waited_behind_others_is_not_hung_at_once(row):
    plan, drawer = row

    class Shared(Remote):
        asked, dropped = 0, []

        def upload(self, file):
            return file.name

        def queue(self, prompt, number):
            self.number = number

        def history(self, number):
            return None

        def waiting(self):
            self.asked += 1
            return {self.number: self.asked > 1}  # then it runs, and never ends

        def drop(self, number):
            self.dropped.append(self.asked)

    server = Shared("")
    drawing = drawer(server, patience=0.2, tries=2)
    (line,) = drawing.draw([plan])
    assert line["status"] == "failed" and "not done in 0 seconds" in line["error"]
    assert server.dropped == [3, 5], "behind others, then running, and only then hung; so the next time"


def test_no_proxy_lies_between_here_and_here(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert b"argv" in Remote(server.address).get("/system_stats") and server.json("/queue")


def test_servers_of_a_killed_run_are_stopped_by_any_run(tmp_path):
    place = tmp_path / f"{os.uname().nodename}-all-0"
    place.mkdir()
    (place / "server.json").write_text(json.dumps({"pid": 2**22 + 1, "address": "127.0.0.1:9"}))
    stop_servers(tmp_path)
    assert not (place / "server.json").exists()


def test_a_command_waits_for_every_worker_of_a_killed_one(tmp_path):
    """Also for those that share an address."""
    workers = [one_of(tmp_path, ["127.0.0.1:8188", "127.0.0.1:8189"]) for _ in range(4)]
    assert len({worker.held.name for worker in workers}) == 4
    waiting = Thread(target=wait_for_workers, args=[tmp_path], daemon=True)
    waiting.start()
    for worker in workers:
        waiting.join(0.3)
        assert waiting.is_alive()
        worker.stop()
    waiting.join(20)
    assert not waiting.is_alive()
