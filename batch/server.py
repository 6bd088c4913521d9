"""A ComfyUI server as a batch needs it, by its address."""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Container
from http.client import HTTPException
from pathlib import Path

from tools.comfy_server import Refused, opened, refusal
from tools.table import Wrong

UPLOADS = "batch"  # folder in the server's input folder
SECONDS = 60.0  # for an answer
AWAY = range(500, 600)  # what stands before a server says so while it is away, or the server itself
BETWEEN = {*AWAY} - {500, 507}  # to an upload these are the server's own: it cannot store it
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

    def restart(self) -> None:
        """It may come back without what was uploaded."""
        self.uploaded = {}
        self.start()

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
            try:
                self._ask("/upload/image", body, f"multipart/form-data; boundary={edge}", BETWEEN)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                raise Wrong(
                    f"The server {self.address} could not store the picture {file} ({error}). Make room on "
                    "its disk, or see that its input folder can be written to; the same command goes on."
                ) from None
            self.uploaded[file] = f"{UPLOADS}/{name}"
        return self.uploaded[file]

    def has(self, name: str) -> bool:
        """Is this a picture that LoadImage finds, in a subfolder or (`x.png [output]`) elsewhere?"""
        path, kind = re.fullmatch(r"(.*?)(?: \[(\w+)\])?", name, re.DOTALL).groups()
        folder, _, file = path.rpartition("/")
        where = urllib.parse.urlencode({"filename": file, "subfolder": folder, "type": kind or "input"})
        try:
            self._ask(f"/view?{where}", method="HEAD")
        except urllib.error.HTTPError:
            return False
        return True

    def info(self) -> dict:
        return json.loads(self.get("/object_info"))

    def get(self, path: str) -> bytes:
        return self._ask(path)

    def _post(self, path: str, content: dict, away: Container[int] = AWAY) -> bytes:
        return self._ask(path, json.dumps(content).encode(), "application/json", away)

    def _ask(
        self,
        path: str,
        body: bytes | None = None,
        kind: str = "",
        away: Container[int] = AWAY,
        method: str | None = None,
    ) -> bytes:
        heads = {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(f"http://{self.address}{path}", body, heads, method=method)
        try:
            with opened(request, self.timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in away:
                raise
            raise Gone(f"The server {self.address} says: {error}.") from None
        except (OSError, HTTPException) as error:
            raise Gone(f"The server {self.address} does not answer: {error}.") from None
