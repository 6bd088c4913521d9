"""A real ComfyUI server for the demo and the tests: start it, queue a prompt, fetch the pictures."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
PACKS = {"comfyui-musar": ROOT, "musar-demo": ROOT / "sprites" / "comfy_pack"}

WATCHES = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
Progress = Callable[[str, int, int], None]  # node id, step, of steps


class Refused(Exception):
    """The server did not take the prompt, or it failed while running; the text says why."""


@dataclass
class Result:
    """What one prompt left behind."""

    images: dict[str, list[bytes]] = field(default_factory=dict)  # node id -> PNG files
    outputs: dict = field(default_factory=dict)  # node id -> UI output
    texts: list[str] = field(default_factory=list)  # what nodes showed while running
    previews: dict[str, list[bytes]] = field(default_factory=dict)  # node id -> PNG files shown meanwhile


def link_packs(base: Path, packs: Mapping[str, Path] = PACKS) -> Path:
    """Packs into a server's folder."""
    for folder in ("custom_nodes", "input", "output", "models", "user"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    for name, target in packs.items():
        link = base / "custom_nodes" / name
        link.unlink(missing_ok=True)  # the folder may have been moved or copied since
        link.symlink_to(target, target_is_directory=True)
    return base


class ComfyServer:
    """`with ComfyServer(folder) as server:`; folder gets models, inputs, outputs and the packs.

    `own`: where its log and its database lie, apart from a folder that is somebody's ComfyUI: that one
    gets no packs.
    """

    def __init__(
        self,
        base: Path,
        comfy: Path,
        python: Path,
        arguments: tuple[str, ...] = ("--cpu",),
        own: Path | None = None,
        packs: Mapping[str, Path] = PACKS,
    ) -> None:
        self.base, self.comfy, self.python, self.arguments = base.resolve(), comfy, python, arguments
        self.own, self.theirs, self.packs = (own or self.base).resolve(), own is not None, packs
        self.log = self.own / "server.log"

    def __enter__(self) -> ComfyServer:
        if not self.theirs:
            link_packs(self.base, self.packs)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        command = [str(self.python), str(self.comfy / "main.py"), "--listen", "127.0.0.1"]
        command += ["--port", self.address.split(":")[1], "--base-directory", str(self.base)]
        command += ["--database-url", f"sqlite:///{self.own}/{'' if self.theirs else 'user/'}comfyui.db"]
        command += ["--disable-api-nodes", "--disable-auto-launch", *self.arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=self.own, start_new_session=True
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def _wait_until_up(self, seconds: int = 300) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"ComfyUI stopped while starting:\n{self.log.read_text()[-2000:]}")
            try:
                self.get("/system_stats")
                return
            except (OSError, HTTPException):  # somebody else may have its port: then it stops
                time.sleep(0.5)
        raise RuntimeError(f"ComfyUI did not answer within {seconds} seconds; its log is {self.log}.")

    def get(self, path: str) -> bytes:
        with opened(urllib.request.Request(f"http://{self.address}{path}")) as answer:
            return answer.read()

    def json(self, path: str) -> dict:
        return json.loads(self.get(path))

    def run(self, prompt: dict, progress: Progress | None = None, seconds: int = 600) -> Result:
        """Queue an API prompt, follow it over the websocket, and fetch its pictures."""
        return asyncio.run(asyncio.wait_for(self._run(prompt, progress), seconds))

    async def _run(self, prompt: dict, progress: Progress | None) -> Result:
        client, result = uuid.uuid4().hex, Result()
        async with aiohttp.ClientSession() as session:
            url = f"http://{self.address}/ws?clientId={client}"
            async with session.ws_connect(url, max_msg_size=0) as socket_:
                await socket_.send_json(WATCHES)
                await socket_.receive()  # the greeting: from now on nothing is missed
                prompt_id = await asyncio.to_thread(self._queue, prompt, client)
                async for message in socket_:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        size = int.from_bytes(message.data[4:8])
                        head, body = message.data[8 : 8 + size], message.data[8 + size :]
                        if message.data[:4] == b"\0\0\0\3":  # text a node shows
                            result.texts.append(body.decode())
                        elif message.data[:4] == b"\0\0\0\4":  # a picture a node shows
                            result.previews.setdefault(json.loads(head)["node_id"], []).append(body)
                        continue
                    event = json.loads(message.data)
                    data = event["data"]
                    if data.get("prompt_id") != prompt_id:
                        continue
                    if event["type"] == "progress" and progress:
                        progress(data["node"], data["value"], data["max"])
                    elif event["type"] == "execution_error":
                        raise Refused(f"{data['node_type']}: {data['exception_message'].strip()}")
                    elif event["type"] == "execution_interrupted":
                        raise Refused("The prompt was cancelled.")
                    elif event["type"] == "executing" and data["node"] is None:
                        break  # only now is it in the history
                else:
                    raise Refused(f"The server hung up:\n{self.log.read_text()[-2000:]}")
        history = await asyncio.to_thread(self.json, f"/history/{prompt_id}")
        result.outputs = history[prompt_id]["outputs"]
        for node, output in result.outputs.items():
            for image in output.get("images", []):
                query = urllib.parse.urlencode(image)
                file = await asyncio.to_thread(self.get, f"/view?{query}")
                result.images.setdefault(node, []).append(file)
        return result

    def _queue(self, prompt: dict, client: str) -> str:
        body = json.dumps({"prompt": prompt, "client_id": client}).encode()
        request = urllib.request.Request(
            f"http://{self.address}/prompt", body, {"Content-Type": "application/json"}
        )
        try:
            with opened(request) as answer:
                return json.loads(answer.read())["prompt_id"]
        except urllib.error.HTTPError as error:
            raise Refused(refusal(json.loads(error.read()))) from None

    def interrupt(self) -> None:
        opened(urllib.request.Request(f"http://{self.address}/interrupt", b"")).close()


def opened(request: urllib.request.Request, seconds: float = 60) -> HTTPResponse:
    """Without the proxy of the environment where the server is on this machine: that one would look for it
    on its own."""
    host = urllib.parse.urlsplit(request.full_url).hostname or ""
    near = host == "localhost" or host == "::1" or host.startswith("127.")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if near else []))
    return opener.open(request, timeout=seconds)


def refusal(answer: dict) -> str:
    """What the host says of each node, in a line each."""
    lines = [answer["error"]["message"]]
    for node in answer.get("node_errors", {}).values():
        lines += [f"{node['class_type']}: {e['message']}: {e['details']}" for e in node["errors"]]
    return "\n".join(lines)


def host_from_environment() -> tuple[Path, Path]:
    """ComfyUI's folder and Python, as the Makefile exports them."""
    path = os.environ.get("COMFYUI_PATH")
    if not path or not (Path(path) / "main.py").exists():
        found = f"is {path} and holds no ComfyUI (no main.py)" if path else "is not set"
        sys.exit(f"COMFYUI_PATH {found}. Set it to ComfyUI's folder; `make host` puts one into .host.")
    return Path(path).resolve(), Path(os.environ.get("COMFYUI_PYTHON") or sys.executable).absolute()
