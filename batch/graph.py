"""An API prompt whose inputs are filled from a table's columns: `node title or id/input`."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.table import Wrong

SEEDS, TEXTS = ("seed", "noise_seed"), ("prompt", "text")


@dataclass(frozen=True)
class Target:
    """An input that a column fills."""

    node: str
    input: str

    def value(self, values: Mapping[str, object], column: str) -> object:
        """One column may be a seed here and a text there."""
        return values.get(self.key(column), values[column])

    def key(self, column: str) -> str:
        """Of what it takes, where that is of another kind than the value under the column."""
        return f"{column} as {self.node}/{self.input}"


@dataclass(frozen=True)
class Graph:
    prompt: Mapping[str, dict]
    targets: Mapping[str, tuple[Target, ...]]  # by column
    notes: tuple[str, ...]  # columns that fill nothing, and are kept in the ledger

    def fill(self, values: Mapping[str, object]) -> dict:
        prompt = copy.deepcopy(dict(self.prompt))
        for column, targets in self.targets.items():
            for target in targets:
                prompt[target.node]["inputs"][target.input] = target.value(values, column)
        return prompt

    def kind(self, target: Target) -> str:
        return self.prompt[target.node]["class_type"]

    @property
    def digest(self) -> str:
        text = json.dumps(
            [self.prompt, {c: [[t.node, t.input] for t in ts] for c, ts in self.targets.items()}]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_graph(file: Path) -> dict:
    if not file.is_file():
        raise Wrong(f"--graph is {file}, and there is no such file.")
    try:
        prompt = json.loads(file.read_text())
    except ValueError as error:
        raise Wrong(f"--graph {file} is no JSON: {error}.") from None
    if isinstance(prompt, dict) and "nodes" in prompt:
        raise Wrong(
            f"--graph {file} is a workflow as the canvas saves it. Use Export (API) in ComfyUI's menu."
        )
    if not isinstance(prompt, dict) or not all(
        isinstance(n, dict) and "class_type" in n and "inputs" in n for n in prompt.values()
    ):
        raise Wrong(f"--graph {file} is no API prompt. Use Export (API) in ComfyUI's menu.")
    for number, node in prompt.items():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and len(value) == 2 and value[0] not in prompt:
                raise Wrong(
                    f"--graph {file}: {name} of node {number} ({node['class_type']}) comes from node "
                    f"{value[0]}, and there is none. Mend it on the canvas and use Export (API) again."
                )
    return prompt


def read_map(file: Path | None) -> dict[str, list[str]]:
    """{"column": "node/input"}, or a list of several."""
    if file is None:
        return {}
    try:
        read = json.loads(file.read_text())
        return {name: [to] if isinstance(to, str) else list(to) for name, to in read.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Wrong(
            f'--map {file} cannot be read: {error}. It is JSON, {{"column": "node/input"}}.'
        ) from None


def bind(prompt: Mapping[str, dict], columns: Sequence[str], names: Mapping[str, list[str]]) -> Graph:
    """Every column to its inputs; Wrong names all that cannot be."""
    said = [
        f"The map names the column {name!r}, and the table has none: it has {', '.join(columns)}."
        for name in names
        if name not in columns
    ]
    targets, taken = {}, {}
    for column in columns:
        places = names.get(column) or ([column] if "/" in column else [])
        found = []
        for place in places:
            target = _target(prompt, column, place)
            if isinstance(target, str):
                said.append(target)
                continue
            if target in taken:
                said.append(f"Columns {taken[target]!r} and {column!r} both fill {place}. Take one away.")
            taken[target] = column
            found.append(target)
        if found:
            targets[column] = tuple(found)
    if said:
        raise Wrong("\n".join(said))
    if not targets:
        raise Wrong(
            "No column of the table fills an input of the graph. Call it `node title or id/input`, "
            "such as `KSampler/seed`; --map gives other names."
        )
    return Graph(prompt, targets, tuple(c for c in columns if c not in targets))


def _target(prompt: Mapping[str, dict], column: str, place: str) -> Target | str:
    """Or the sentence that says why there is none."""
    title, _, name = place.rpartition("/")
    nodes = [title] if title in prompt else [i for i, n in prompt.items() if title_of(n) == title]
    if not nodes:
        titles = ", ".join(sorted({title_of(n) for n in prompt.values()}))
        return f"Column {column!r}: the graph has no node {title!r}. Its nodes are {titles}."
    if len(nodes) > 1:
        instead = " or ".join(f"{i}/{name}" for i in nodes)
        return f"Column {column!r}: {len(nodes)} nodes are called {title!r}. Write {instead} in its place."
    inputs = prompt[nodes[0]]["inputs"]
    if name not in inputs:
        return f"Column {column!r}: {title!r} has no input {name!r}. It has {', '.join(inputs)}."
    if isinstance(inputs[name], list):
        return f"Column {column!r}: {name!r} of {title!r} comes from another node. Fill an input of that one."
    return Target(nodes[0], name)


def title_of(node: Mapping) -> str:
    return node.get("_meta", {}).get("title") or node["class_type"]


def said_by(prompt: Mapping[str, dict]) -> dict[str, object]:
    """The prompt and the seed that the ledger shows: MUSAR's, else the first of their kind."""
    nodes = sorted(prompt.values(), key=lambda n: n["class_type"] != "MusarConditioning")

    def first(names: Sequence[str], kind: type) -> object:
        values = (n["inputs"].get(name) for n in nodes for name in names)
        return next((v for v in values if isinstance(v, kind) and not isinstance(v, bool)), None)

    return {"prompt": first(TEXTS, str), "seed": first(SEEDS, int)}
