"""A ComfyUI server as a batch needs it: somebody else's by its address, or one that we start."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Container, Mapping, Sequence
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import TextIO

from tools.comfy_server import ComfyServer, Refused, refusal

from .table import Wrong

NOTE = "server.json"  # its process and address
UPLOADS = "batch"  # folder in the server's input folder
ALL = "all"  # GPUs
STARTS = 3
SECONDS = 60.0  # for an answer
AWAY = range(500, 600)  # what stands before a server says so while it is away, or the server itself
PROXIES = (502, 503, 504)  # to a prompt 500 is an answer: whoever asks again gets it again


class Gone(Exception):
    """The server does not answer."""


class Remote:
    """Somebody else's: it is asked, and never started or stopped."""

    output: Path | None = None  # its output folder, where that is ours to read
    ours = False

    def __init__(self, address: str, wait: float = 300) -> None:
        self.address = address.removeprefix("http://").rstrip("/")
        self.wait, self.timeout = wait, SECONDS
        self.uploaded: dict[Path, str] = {}

    def start(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + self.wait
        while True:
            try:
                self.get("/system_stats")
                return
            except Gone:
                if time.monotonic() > end:
                    raise Wrong(
                        f"The server {self.address} has not answered for {self.wait:.0f} seconds."
                    ) from None
                time.sleep(min(1.0, self.wait / 20))

    restart = start

    def release(self) -> None:
        """Whoever comes next may have it."""

    def stop(self) -> None:
        """Where it is ours."""

    def queue(self, prompt: dict, number: str) -> None:
        """Under an id of our own; Refused says what is wrong with it."""
        try:
            asked = {"prompt": prompt, "prompt_id": number, "client_id": UPLOADS}
            said = self._post("/prompt", asked, PROXIES)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            try:
                raise Refused(refusal(json.loads(said))) from None
            except ValueError:
                raise Refused(f"The server says {error.code} {error.reason}: {said[:500]}") from None
        answer = json.loads(said)
        if answer.get("node_errors"):  # it would run the rest of the graph without a word
            self.drop(number)
            raise Refused(refusal({"error": {"message": "A part of the graph cannot run"}, **answer}))

    def history(self, number: str) -> dict | None:
        return json.loads(self.get(f"/history/{number}")).get(number)

    def waiting(self) -> dict[str, bool]:
        """Ids in its queue: is it running?"""
        queue = json.loads(self.get("/queue"))
        pending = {item[1]: False for item in queue["queue_pending"]}
        return pending | {item[1]: True for item in queue["queue_running"]}

    def knows(self, number: str) -> bool:
        return number in self.waiting() or self.history(number) is not None

    def drop(self, number: str) -> None:
        """Out of its queue, and stopped if it runs."""
        self._post("/queue", {"delete": [number]})
        if self.waiting().get(number):
            self._post("/interrupt", {"prompt_id": number})

    def picture(self, image: dict) -> bytes | None:
        """None: the server has it no more."""
        try:
            return self.get(f"/view?{urllib.parse.urlencode(image)}")
        except urllib.error.HTTPError:
            return None

    def upload(self, file: Path) -> str:
        """The name under which LoadImage finds it."""
        if file not in self.uploaded:
            data = file.read_bytes()
            name = hashlib.sha256(data).hexdigest()[:24] + file.suffix.lower()
            edge = uuid.uuid4().hex
            fields = {"subfolder": UPLOADS, "type": "input", "overwrite": "true"}
            parts = [
                f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
                for k, v in fields.items()
            ]
            parts.append(
                f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            )
            body = "".join(parts).encode() + data + f"\r\n--{edge}--\r\n".encode()
            self._ask("/upload/image", body, f"multipart/form-data; boundary={edge}")
            self.uploaded[file] = f"{UPLOADS}/{name}"
        return self.uploaded[file]

    def info(self) -> dict:
        return json.loads(self.get("/object_info"))

    def get(self, path: str) -> bytes:
        return self._ask(path)

    def _post(self, path: str, content: dict, away: Container[int] = AWAY) -> bytes:
        return self._ask(path, json.dumps(content).encode(), "application/json", away)

    def _ask(
        self, path: str, body: bytes | None = None, kind: str = "", away: Container[int] = AWAY
    ) -> bytes:
        request = urllib.request.Request(
            f"http://{self.address}{path}", body, {"Content-Type": kind} if kind else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in away:
                raise
            raise Gone(f"The server {self.address} says: {error}.") from None
        except (OSError, HTTPException) as error:
            raise Gone(f"The server {self.address} does not answer: {error}.") from None


class _Noted(ComfyServer):
    """Noted down before it is up: the command may be killed while it starts."""

    def _wait_until_up(self, seconds: int = 300) -> None:
        part = self.own / f".{NOTE}"
        part.write_text(json.dumps({"pid": self.process.pid, "address": self.address}))
        part.replace(self.own / NOTE)
        super()._wait_until_up(seconds)


class Own(Remote):
    """One that we start, with its log and pictures in a folder that one process holds at a time.

    Where that process was killed, the server goes on with what it has in its queue, and the next
    process that holds the folder takes it over.
    """

    def __init__(
        self,
        held: TextIO,
        base: Path | None,
        comfy: Path,
        python: Path,
        arguments: tuple[str, ...],
    ) -> None:
        super().__init__("")
        self.held, folder = held, Path(held.name).parent
        self.folder, self.output = folder.resolve(), folder.resolve() / "output"
        self.comfy, self.python = comfy, python
        self.base = base or comfy
        self.arguments = (*arguments, "--output-directory", str(self.output))
        self.note = self.folder / NOTE

    ours = True
    process: subprocess.Popen | None = None

    def start(self) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        if not self._take_over():
            self._kill()  # of a command that was killed, and it hangs or was still starting
            self._launch()

    def restart(self) -> None:
        self._kill()
        self._launch()

    def release(self) -> None:
        self.held.close()

    def stop(self) -> None:
        self._kill()
        self.held.close()

    def _launch(self) -> None:
        for left in reversed(range(STARTS)):  # its port may be taken between the choice and the start
            server = _Noted(self.base, self.comfy, self.python, self.arguments, own=self.folder)
            try:
                server.__enter__()
                break
            except RuntimeError as error:
                if not left:
                    raise Wrong(str(error)) from None
        self.address, self.process, self.uploaded = server.address, server.process, {}

    def _take_over(self) -> bool:
        try:
            self.address = json.loads(self.note.read_text())["address"]
            argv = json.loads(self.get("/system_stats"))["system"]["argv"]
        except (OSError, ValueError, KeyError, Gone):
            return False
        return str(self.output) in argv

    def _kill(self) -> None:
        """It may be a child of ours, or of a process that is no more."""
        if not self.note.exists():
            return
        pid = json.loads(self.note.read_text())["pid"]
        if str(self.output) in _command(pid):  # otherwise that number is another process by now
            os.killpg(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.note.unlink()


class OneOf(Remote):
    """Of several running servers its own; another, where that one does not come back."""

    def __init__(self, addresses: Sequence[str], own: int, held: TextIO | None, wait: float = 60) -> None:
        super().__init__(addresses[own], wait)
        self.addresses, self.held = [*addresses[own:], *addresses[:own]], held

    def start(self) -> None:
        for address in self.addresses:
            self.address, self.uploaded = address, {}
            try:
                return super().start()
            except Wrong as error:
                last = error
        raise Wrong(f"No server answers of {', '.join(self.addresses)}. {last}")

    restart = start

    def stop(self) -> None:
        if self.held is not None:
            self.held.close()


def own_in(folder: Path, settings: Mapping) -> Own:
    """The first of the folder's servers that nobody holds: one a worker, and one a GPU of a machine."""
    name = f"{os.uname().nodename}-{os.environ.get('CUDA_VISIBLE_DEVICES') or ALL}"
    for k in count():
        held = _hold(folder / f"{name}-{k}")
        if held is not None:
            return Own(held, **settings)


def one_of(folder: Path, addresses: Sequence[str]) -> OneOf:
    """One that no other worker has, as long as there are enough."""
    for k, address in enumerate(addresses):
        held = _hold(folder / address.replace(":", "-"))
        if held is not None:
            return OneOf(addresses, k, held)
    return OneOf(addresses, os.getpid() % len(addresses), None)


def stop_servers(folder: Path, settings: Mapping, gpu: str = "*") -> None:
    """Those of this machine, as soon as no worker holds them."""
    for note in folder.glob(f"{os.uname().nodename}-{gpu}-*/server.json"):
        Own(_hold_soon(note.parent), **settings).stop()


def wait_for_workers(folder: Path) -> None:
    """Those of a run that was killed take a moment to go."""
    for place in folder.glob("*/lock"):
        _hold_soon(place.parent).close()


def _hold_soon(folder: Path, seconds: float = 60) -> TextIO:
    end = time.monotonic() + seconds
    while (held := _hold(folder)) is None:
        if time.monotonic() > end:
            raise Wrong(f"A worker of another run still holds {folder}. Stop it first.")
        time.sleep(0.2)
    return held


def _hold(folder: Path) -> TextIO | None:
    """A lock that the system takes away from a process that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except OSError:
        lock.close()
        return None


def _command(pid: int) -> str:
    """What a process was started with; nothing if there is none."""
    file = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        return file.read_text().replace("\0", " ") if file.exists() else ""
    shown = ["ps", "-ww", "-p", str(pid), "-o", "args="]
    return subprocess.run(shown, capture_output=True, text=True).stdout
