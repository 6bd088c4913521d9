"""Every row before the first picture: what is wrong, a sentence a kind of mistake with all its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from PIL import Image

from tools.table import Row, Wrong

from .graph import Graph, Target, title_of
from .inputs import Spec, Unfit, spec_of

WEIGHT = re.compile(r"(?<!\\)(?:\(|(?::[\d.]+)?\))")
Fault = tuple[str, str]  # the mistake, what was found


class Check:
    """`read(row)` gives its values as the graph takes them, and its faults."""

    def __init__(
        self, graph: Graph, info: Mapping, folder: Path, there: Callable[[str], bool] = lambda name: False
    ) -> None:
        """`there`: has the server this picture, which its list does not name?"""
        unknown = sorted({n["class_type"] for n in graph.prompt.values()} - set(info))
        if unknown:
            raise Wrong(f"The server has no node {', '.join(unknown)}. Install the pack that brings it.")
        self.graph, self.folder, self.there = graph, folder, lru_cache(100_000)(there)
        self.specs = {
            column: [
                spec_of(info, graph.kind(t), t.input, graph.prompt[t.node]["inputs"][t.input]) for t in ts
            ]
            for column, ts in graph.targets.items()
        }
        self.images = [c for c, specs in self.specs.items() if any(s.kind == "IMAGE FILE" for s in specs)]
        self._itself(info)
        self.asked = [n for n in graph.prompt.values() if n["class_type"] == "MusarConditioning"]
        self.local = lru_cache(100_000)(self._local)

    def _itself(self, info: Mapping) -> None:
        """Where no column says otherwise: a model that is missing is missing in all rows."""
        filled = {target for targets in self.graph.targets.values() for target in targets}
        said = []
        for number, node in self.graph.prompt.items():
            listed = info[node["class_type"]]["input"]
            for name, now in node["inputs"].items():
                known = name in listed.get("required", {}) or name in listed.get("optional", {})
                if not known or Target(number, name) in filled or isinstance(now, list | dict) or now is None:
                    continue
                spec = spec_of(info, node["class_type"], name, now)
                try:
                    value = spec.read(now)
                    if spec.kind == "IMAGE FILE" and not self._on_server(spec, value):
                        raise Unfit("names no picture in the server's input folder")
                except Unfit as unfit:
                    said.append(f"The graph's own {title_of(node)}/{name}, {now!r}, {unfit}.")
        if said:
            raise Wrong("\n".join(said))

    def read(self, row: Row) -> tuple[dict[str, object], list[Fault]]:
        if row.broken:
            return {}, [("the row cannot be read", row.broken)]
        values, faults = dict(row.values), []
        for column, specs in self.specs.items():
            try:
                read = [self._read(spec, row.values.get(column)) for spec in specs]
            except Unfit as unfit:
                found = row.values.get(column)
                faults.append((f"{column!r} {unfit}", "" if found in (None, "") else repr(found)))
                continue
            first = next((i for i, spec in enumerate(specs) if spec.kind == "IMAGE FILE"), 0)
            values[column] = read[first]  # of a picture, what is uploaded takes its place
            each = zip(self.graph.targets[column], specs, read)
            values |= {t.key(column): value for t, spec, value in each if spec.kind != specs[first].kind}
        if self.asked and not faults:
            faults += self._phrases(values)
        return values, faults

    def _read(self, spec: Spec, value: object) -> object:
        value = spec.read(value)
        if spec.kind == "IMAGE FILE":
            path, why = self.local(value)
            if why:
                raise Unfit(why)
            if path is None and not self._on_server(spec, value):
                raise Unfit("names no picture beside the table or in the server's input folder")
        return value

    def _on_server(self, spec: Spec, value: str) -> bool:
        """The list has neither subfolders nor other folders (`x.png [output]`), and LoadImage takes both."""
        return value in spec.choices or (("/" in value or value.endswith("]")) and self.there(value))

    def _local(self, value: str) -> tuple[Path | None, str]:
        """The file on this machine, and why it cannot be used."""
        path = self.folder / value
        try:
            if not value or not path.is_file():
                return None, ""
        except OSError:  # too long for a name: a prompt in the wrong column
            return None, ""
        try:
            with Image.open(path) as image:
                image.verify()
        except Exception:  # whatever Pillow raises on such bytes, and it is a file that is no picture
            return path, "is a file that is no picture"
        return path.resolve(), ""

    def files(self, values: Mapping[str, object]) -> dict[str, Path]:
        """The pictures of this machine that a row names, by column."""
        found = {column: self.local(values[column])[0] for column in self.images}
        return {column: path for column, path in found.items() if path}

    def _phrases(self, values: Mapping[str, object]) -> Iterator[Fault]:
        from musar_attention.phrases import PhraseNotFound, find_phrases  # torch takes seconds

        filled = {(t.node, t.input): t.value(values, c) for c, ts in self.graph.targets.items() for t in ts}

        def said(node: str, name: str) -> object:
            return filled.get((node, name), self.graph.prompt[node]["inputs"].get(name, ""))

        for number, node in self.graph.prompt.items():
            if node["class_type"] != "MusarConditioning":
                continue
            prompt, subjects = said(number, "prompt"), _subjects(self.graph.prompt, node)
            words = [(said(s, "phrase"), said(s, "prompt")) for s in subjects]
            if not isinstance(prompt, str) or not all(isinstance(w, str) for pair in words for w in pair):
                continue  # from other nodes: only the server will know
            phrases = [[p for p in map(str.strip, own.split("|")) if p] or [other] for own, other in words]
            try:
                plain = [[_plain(p) for p in own] for own in phrases]
                find_phrases(list(_plain(prompt)), [p[0] if len(p) == 1 else p for p in plain])
            except PhraseNotFound as error:
                title = title_of(self.graph.prompt[subjects[error.index]])
                shown = " | ".join(phrases[error.index])
                yield f"the prompt does not name {title!r}", f"{shown!r} in {prompt!r}"


def _plain(text: str) -> str:
    """Without weights in brackets, as the text encoder reads it: (robot:1.2)."""
    return WEIGHT.sub("", text).replace("\\(", "(").replace("\\)", ")")


def _subjects(prompt: Mapping[str, dict], node: Mapping) -> list[str]:
    """Ids of the MUSAR Subjects that lead straight into it."""
    links = [v[0] for k, v in node["inputs"].items() if k.startswith("subjects.") and isinstance(v, list)]
    return [i for i in links if prompt[i]["class_type"] == "MusarSubject"]


class Faults:
    """Of a whole table, told at once."""

    def __init__(self) -> None:
        self.rows: set[int] = set()
        self.kinds: dict[str, list[tuple[int, str]]] = {}

    def add(self, row: int, faults: Iterable[Fault]) -> None:
        for mistake, found in faults:
            self.rows.add(row)
            self.kinds.setdefault(mistake, []).append((row, found))

    def sentences(self) -> list[str]:
        return [f"{_capital(mistake)}: {', '.join(_runs(rows))}." for mistake, rows in self.kinds.items()]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _runs(rows: list[tuple[int, str]]) -> Iterator[str]:
    """row 3 ('hat.png'), rows 5–9."""
    start = 0
    for i in range(1, len(rows) + 1):
        if i < len(rows) and rows[i] == (rows[i - 1][0] + 1, rows[start][1]):
            continue
        (first, found), last = rows[start], rows[i - 1][0]
        yield (f"row {first}" if first == last else f"rows {first}–{last}") + (f" ({found})" if found else "")
        start = i
