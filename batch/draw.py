"""Rows through one server: a few in its queue at a time, each tried anew where a server failed it."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.comfy_server import Refused
from tools.table import Wrong

from .check import Check
from .graph import Graph, said_by, title_of
from .journal import Journal
from .keep import keep
from .server import Gone, Remote

LOST = 5  # times that a server may be gone just as it is given a row
POLL, SELDOM = 0.05, 1.0  # seconds between two looks: each costs the server some drawing


@dataclass(frozen=True)
class Plan:
    """A checked row."""

    number: int
    values: Mapping[str, object]  # as the graph takes them; notes as they are
    files: Mapping[str, str]  # pictures of this machine, by column

    @property
    def key(self) -> str:
        text = json.dumps(self.values, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:15]


def plan_of(check: Check, number: int, values: Mapping[str, object]) -> Plan:
    return Plan(number, values, {c: str(f) for c, f in check.files(values).items()})


@dataclass(frozen=True)
class Rules:
    run: str  # the run's own id: rows of two runs never share a prompt id
    pictures: str  # a folder or any fsspec address
    ahead: int = 2  # rows in a server's queue
    tries: int = 3
    patience: float = 600  # seconds for a row


@dataclass
class Flight:
    plan: Plan
    server: Remote
    before: int = 0  # tries of a run that gave it up
    attempt: int = 1
    queued: bool = False
    ran: bool = False  # seen behind others' on a shared server, and then running
    lost: int = 0  # times that the server was gone before it had this row
    since: float = 0.0  # when it was last seen to get on

    def number(self, rules: Rules) -> str:
        return str(uuid.uuid5(uuid.UUID(rules.run), f"{self.plan.number} {self.plan.key} {self.attempt}"))


class Drawer:
    def __init__(self, graph: Graph, server: Remote, journal: Journal, rules: Rules) -> None:
        self.graph, self.server, self.journal, self.rules = graph, server, journal, rules
        self.room, server.timeout = rules.ahead, rules.patience
        self.pause = POLL

    def draw(self, plans: Iterable[Plan]) -> Iterator[dict]:
        """A line for the ledger for each, written to the journal before it is given."""
        plans, flying = iter(plans), deque()
        while True:
            while len(flying) < self.rules.ahead and (plan := next(plans, None)):
                flying.append(self._begun(plan))
            if not flying:
                return
            try:
                lines = self._step(flying)
            except Gone as gone:
                lines = self._recover(flying, str(gone))
            for line in lines:
                self.journal.finish(line)
                yield line

    def _begun(self, plan: Plan) -> Flight:
        """Where it was queued by a process that is no more, that server is asked first."""
        before = self.journal.begun.get(plan.number)
        tried = self.journal.failed.get(plan.number, 0)
        if before is None:
            return Flight(plan, self.server, tried, tried + 1, since=time.monotonic())
        same = before.address == self.server.address
        server = self.server if same else Remote(before.address, wait=1)
        flight = Flight(plan, server, tried, before.attempt, since=time.monotonic())
        try:
            flight.queued = server.knows(flight.number(self.rules))
        except Gone:
            pass
        if not flight.queued:
            flight.server = self.server
        return flight

    def _step(self, flying: deque[Flight]) -> list[dict]:
        for flight in list(flying)[: self.room]:
            if not flight.queued:
                try:
                    self._queue(flight)
                except Refused as error:
                    flying.remove(flight)
                    return [self._failed(flight, str(error))]
        head = flying[0]
        entry = head.server.history(head.number(self.rules))
        if entry is not None:
            return self._landed(flying, head, entry)
        now = time.monotonic()
        if now - head.since > self.rules.patience:
            running = head.server.waiting().get(head.number(self.rules))
            if running is False or running and not (head.server.ours or head.ran):
                head.since, head.ran = now, running  # somebody else's were drawn before it
            elif head.server is self.server:
                return self._recover(flying, hung=True)
            else:
                raise Gone
        time.sleep(self.pause)
        return []

    def _queue(self, flight: Flight) -> None:
        values = dict(flight.plan.values)
        for column, file in flight.plan.files.items():
            try:
                values[column] = flight.server.upload(Path(file))
            except OSError as error:  # it may have gone since it was checked
                raise Refused(str(error)) from None
        self.journal.begin(flight.plan.number, flight.server.address, flight.attempt)
        flight.server.queue(self.graph.fill(values), flight.number(self.rules))
        flight.queued, flight.ran, flight.lost, flight.since = True, False, 0, time.monotonic()

    def _landed(self, flying: deque[Flight], head: Flight, entry: dict) -> list[dict]:
        why = _error(entry)
        line = None if why else self._drawn(head, entry)
        if line is None:
            return self._again(flying, why or "The server has its picture no more.")
        flying.popleft()
        self.room = self.rules.ahead
        if self.room > 1:  # the server has the next row already, and is not kept waiting
            self.pause = min(SELDOM, max(POLL, (line.get("seconds") or 0) / 4))
        for flight in flying:
            flight.since = time.monotonic()
        return [line]

    def _again(self, flying: deque[Flight], why: str) -> list[dict]:
        head = flying[0]
        if head.attempt - head.before >= self.rules.tries:
            flying.popleft()
            return [self._failed(head, why)]
        head.attempt, head.queued, head.server = head.attempt + 1, False, self.server
        return []

    def _recover(self, flying: deque[Flight], why: str = "", hung: bool = False) -> list[dict]:
        """The first in the queue was in its hands; until that one is drawn, the others wait."""
        head, self.room = flying[0], 1
        if not head.queued:
            head.lost += 1
            if head.lost > LOST:
                raise Wrong(f"Row {head.plan.number} could not be queued, {LOST} times. {why}")
            time.sleep(head.lost - 1)  # it answers, and is gone as soon as it is given this row
        if head.server is not self.server:
            head.queued, head.server = False, self.server
            return []
        number = head.number(self.rules)
        if hung and not self.server.ours:
            self.server.drop(number)
        else:
            self.server.restart()
        for flight in list(flying)[1:]:
            flight.queued = flight.queued and flight.server.knows(flight.number(self.rules))
        if head.queued and (hung or not self.server.knows(number)):
            held = f"was not done in {self.rules.patience:.0f} seconds" if hung else "went down"
            return self._again(flying, f"The server {held} with this row, {head.attempt} times.")
        return []

    def _drawn(self, flight: Flight, entry: dict) -> dict | None:
        images = [
            (node, image)
            for node, output in sorted(entry["outputs"].items())
            for image in output.get("images", [])
            if image.get("type") == "output"
        ]
        if not images:
            return self._failed(flight, "The graph saved no picture: it needs a Save Image node.")
        files, nodes = [], []
        for k, (node, image) in enumerate(images, 1):
            name = f"{flight.plan.number:06d}" + (f"_{k}" if len(images) > 1 else "")
            file = f"{self.rules.pictures}/{name}{Path(image['filename']).suffix}"
            if not keep(flight.server, image, file):
                return None
            files.append(file)
            nodes.append(title_of(self.graph.prompt.get(node, {"class_type": node})))
        seen = [o["musar"][0] for _, o in sorted(entry["outputs"].items()) if o.get("musar")]
        shares = seen[0] if seen else {}
        routing = {"owners": shares.get("subjects"), "owned": shares.get("owned"), "leak": shares.get("leak")}
        return self._line(flight, "drawn", files=files, saved_by=nodes, seconds=_seconds(entry), **routing)

    def _failed(self, flight: Flight, why: str) -> dict:
        return self._line(flight, "failed", error=why)

    def _line(self, flight: Flight, status: str, **more: object) -> dict:
        plan = flight.plan
        said = said_by(self.graph.fill(plan.values))
        own = {"row": plan.number, "key": plan.key, "status": status, "tries": flight.attempt}
        return own | said | {"server": flight.server.address, "values": dict(plan.values)} | more


def _error(entry: dict) -> str:
    """What went wrong, if anything."""
    status = entry.get("status") or {}
    for kind, data in status.get("messages", ()):
        if kind == "execution_error":
            return f"{data['node_type']}: {data['exception_message'].strip()}"
        if kind == "execution_interrupted":
            return "The prompt was cancelled."
    return "" if status.get("status_str", "success") == "success" else "The server says that it failed."


def _seconds(entry: dict) -> float | None:
    times = {kind: data.get("timestamp") for kind, data in (entry.get("status") or {}).get("messages", ())}
    start, end = times.get("execution_start"), times.get("execution_success")
    return (end - start) / 1000 if start and end else None
