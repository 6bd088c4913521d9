"""What was begun and what came of it: a line an event, in a file a process, only ever added to.

A process that is killed leaves a torn line at most, and nobody writes to its file again. Workers on
several machines share the folder, and each reads what the others have written since it last looked.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.table import Wrong


@dataclass(frozen=True)
class Begun:
    address: str
    attempt: int


class Journal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.own = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self.file = None
        self.read: dict[Path, int] = {}  # how far
        self.keys: dict[int, int] = {}  # of finished rows: the row's own key
        self.failed: dict[int, int] = {}  # rows, and how often each was tried
        self.begun: dict[int, Begun] = {}  # rows not finished

    def begin(self, row: int, address: str, attempt: int) -> None:
        self._write({"row": row, "begun": address, "try": attempt})

    def finish(self, line: dict) -> None:
        """`line` has row, key and status."""
        self._write(line)

    def _write(self, line: dict) -> None:
        try:
            if self.file is None:
                self.file = self.own.open("ab", buffering=0)
            self.file.write(json.dumps(line, default=str).encode() + b"\n")
            os.fsync(self.file.fileno())
        except OSError as error:
            raise Wrong(
                f"{self.own} could not be written ({error}). Make room; the same command goes on from there."
            ) from None

    def catch_up(self) -> None:
        """Read what has been written since."""
        for line in self.news():
            row = line["row"]
            if "status" in line:
                if line["status"] == "drawn":
                    self.failed.pop(row, None)
                elif row in self.failed or row not in self.keys:  # files are not read in the order of time
                    self.failed[row] = max(line["tries"], self.failed.get(row, 0))
                self.keys[row] = int(line["key"], 16)
                self.begun.pop(row, None)
            elif row not in self.keys or line["try"] > self.failed.get(row, line["try"]):
                self.begun[row] = Begun(line["begun"], line["try"])

    def news(self) -> Iterator[dict]:
        for file in sorted(self.folder.glob("*.jsonl")):
            with file.open("rb") as lines:
                lines.seek(self.read.get(file, 0))
                for line in lines:
                    if not line.endswith(b"\n"):
                        break  # torn, or not yet whole
                    self.read[file] = self.read.get(file, 0) + len(line)
                    yield json.loads(line)

    def finished(self) -> Iterator[dict]:
        """A line for each finished row, however often it is there; drawn, if it was drawn in the end."""
        self.catch_up()
        seen = set()
        for line in Journal(self.folder).news():
            row = line["row"]
            last = (
                line.get("tries") == self.failed[row] if row in self.failed else line.get("status") == "drawn"
            )
            if last and "status" in line and row not in seen:
                seen.add(row)
                yield line
