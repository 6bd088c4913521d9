"""DreamBench as it is published: a folder a subject, and `prompts_and_classes.txt` beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.table import Wrong

from .samples import IMAGES

WORDS = "prompts_and_classes.txt"
FILLED = re.compile(r"""^\s*(['"])(.*?)\1\s*\.format\(\s*unique_token\s*,\s*class_token\s*\)""")


@dataclass(frozen=True)
class Subject:
    name: str
    kind: str  # the word for it: dog
    live: bool
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class DreamBench:
    subjects: tuple[Subject, ...]
    prompts: dict[bool, tuple[str, ...]]  # live or not: 'a {0} {1} in the jungle'


def read_dreambench(folder: Path) -> DreamBench:
    file = next((f for f in (folder / WORDS, folder / "dataset" / WORDS) if f.is_file()), None)
    if file is None:
        raise Wrong(f"{folder} holds no {WORDS}. Give DreamBench's folder as it was downloaded.")
    kinds, prompts, live = {}, {False: [], True: []}, False
    for line in file.read_text().splitlines():
        if "Prompts" in line:
            live = "Live" in line
        found = FILLED.match(line)
        if found:
            prompts[live].append(found[2])
        elif re.fullmatch(r"\w+,[\w ]+", line.strip()) and line.strip() != "subject_name,class":
            name, kind = line.strip().split(",")
            kinds[name] = kind
    subjects = [
        Subject(name, kind, kind in LIVE, _pictures(file.parent / name)) for name, kind in kinds.items()
    ]
    if not subjects or not all(prompts.values()):
        raise Wrong(f"{file} does not list subjects and both kinds of prompts, as DreamBench's does.")
    return DreamBench(tuple(subjects), {live: tuple(said) for live, said in prompts.items()})


LIVE = ("cat", "dog")  # the classes of its live subjects


def _pictures(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(f for f in folder.glob("*") if f.suffix.lower() in IMAGES))
    if not found:
        raise Wrong(f"{folder} holds no picture. Download DreamBench again.")
    return found
