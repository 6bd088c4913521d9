"""`python -m tools.ladder`: does every import keep to the ladder of rooms in pyproject.toml?

A room is a top folder. `[tool.ladder]` lists them from the ground up, each with what it may use:
    uses        rooms, all listed before it
    libraries   packages from elsewhere, and no others; without this line, any
    never       packages from elsewhere that it must not use
    floors      its own folders from the ground up, where those above may use those below
Imports inside functions count, and those for type checkers alone; no two files may need each other.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = "tests"  # use what they like
HOSTS = "nodes"  # the host has a module of this name: ours is only ever imported relatively


@dataclass(frozen=True)
class Import:
    file: str  # a/b.py
    line: int
    target: str  # a.b, of ours where `ours`
    ours: bool

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}: "


def check(root: Path) -> list[str]:
    """A sentence for each broken rule."""
    rooms = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["ladder"]
    imports = [i for room in rooms for file in sorted((root / room).rglob("*.py")) for i in _read(root, file)]
    broken = _upwards(rooms) + _unlisted(root, rooms)
    for i in imports:
        broken += [i.where + said for said in (_other_room if i.ours else _library)(i, rooms)]
    return broken + _circles(imports)


def _read(root: Path, file: Path) -> Iterator[Import]:
    name = file.relative_to(root)
    package = name.parts[:-1]  # of a/b.py and of a/__init__.py alike
    for node in ast.walk(ast.parse(file.read_text(), str(name))):
        if isinstance(node, ast.Import):
            found = [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found = [(f"{module}.{alias.name}".strip("."), node.level > 0) for alias in node.names]
        else:
            continue
        for target, relative in found:
            first = target.split(".")[0]
            ours = relative or (first != HOSTS and (root / first).is_dir())
            if ours:
                target = _module(root, target)
            yield Import(str(name), node.lineno, target, ours)


def _module(root: Path, target: str) -> str:
    """Without the name that a module or package of ours defines."""
    path = root.joinpath(*target.split("."))
    if path.is_dir() or path.with_suffix(".py").exists():
        return target
    return target.rpartition(".")[0]


def _upwards(rooms: Mapping[str, Mapping]) -> list[str]:
    order = list(rooms)
    return [
        f"pyproject.toml: {room} uses {used}, which does not lie below it."
        for at, room in enumerate(order)
        for used in rooms[room].get("uses", ())
        if used not in order[:at]
    ]


def _unlisted(root: Path, rooms: Mapping[str, Mapping]) -> list[str]:
    """Rooms without a folder, and folders of Python that are no room."""
    folders = {file.parent.name for file in root.glob("*/*.py")} - {TESTS}
    return [
        *(f"pyproject.toml: the room {name} has no folder." for name in sorted(set(rooms) - folders)),
        *(f"pyproject.toml: {name} is no room, and holds Python." for name in sorted(folders - set(rooms))),
    ]


def _other_room(i: Import, rooms: Mapping[str, Mapping]) -> Iterator[str]:
    room, target = i.file.split("/")[0], i.target.split(".")[0]
    if target != room:
        uses = rooms[room].get("uses", [])
        if target not in uses:
            yield f"{room} uses {i.target}. It may use {', '.join(uses) or 'no other room'}."
        return
    floors = rooms[room].get("floors", [])
    here, there = (_floor(path, floors) for path in (i.file.replace("/", "."), i.target + "."))
    if there > here:
        yield f"{room}/{floors[here].replace('.', '/')} uses {i.target}, which lies above it."


def _floor(path: str, floors: list[str]) -> int:
    """Of a module; what lies in no folder of the list is on top."""
    inside = [k for k, floor in enumerate(floors) if path.split(".", 1)[1].startswith(floor + ".")]
    return max(inside, key=lambda k: len(floors[k]), default=len(floors))


def _library(i: Import, rooms: Mapping[str, Mapping]) -> Iterator[str]:
    room, library = i.file.split("/")[0], i.target.split(".")[0]
    if library in sys.stdlib_module_names:
        return
    only, never = (rooms[room].get(key) for key in ("libraries", "never"))
    if only is not None and library not in only:
        yield f"{room} uses {library}. Of libraries it may use {', '.join(only)}."
    if library in (never or ()):
        yield f"{room} uses {library}, which it must never do."


def _circles(imports: list[Import]) -> list[str]:
    """The first circle that is found."""
    needs: dict[str, set[str]] = {}
    for i in imports:
        own = i.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if i.ours and i.target != own:
            needs.setdefault(own, set()).add(i.target)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return [f"These files need each other: {' → '.join(reversed(error.args[1]))}."]
    return []


def main() -> None:
    broken = check(ROOT)
    print("\n".join(broken) or "Every import keeps to the ladder.")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
