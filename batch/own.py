"""A ComfyUI server that we start, or one of several that run: who holds which, among all workers."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TextIO

from tools.comfy_server import ComfyServer
from tools.table import Wrong

from .server import Gone, Remote

NOTE = "server.json"  # its process and address
ALL = "all"  # GPUs
STARTS = 3


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
        base: Path | None = None,
        comfy: Path = Path(),  # none of these is needed to stop one
        python: Path = Path(),
        arguments: tuple[str, ...] = (),
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
    """One that no other worker has, as long as there are enough. Each holds something, so that the next
    command waits for it where this one is killed."""
    for k, address in enumerate(addresses):
        held = _hold(folder / address.replace(":", "-"))
        if held is not None:
            return OneOf(addresses, k, held)
    k = os.getpid() % len(addresses)
    name = addresses[k].replace(":", "-")
    held = next(held for n in count(1) if (held := _hold(folder / f"{name}-{n}")) is not None)
    return OneOf(addresses, k, held)


def stop_servers(folder: Path, gpu: str = "*") -> None:
    """Those of this machine, as soon as no worker holds them."""
    for note in folder.glob(f"{os.uname().nodename}-{gpu}-*/server.json"):
        Own(_hold_soon(note.parent)).stop()


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
