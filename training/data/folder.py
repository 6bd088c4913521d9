"""A plain folder of pairs, as a person makes it:

    my_cat_1/ref.png  my_cat_1/target.png  my_cat_1/caption.json: {"words": "a cat",
    my_cat_2/…                                "caption": "a cat on a sofa", "kind": "cat"}

`kind`, what diptychs of one kind go by, may be left out: then it is the words without their article.
`subject` may be given, too: pairs that show one individual have the same, and never meet in a diptych.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from .pair import BadRow, Pair, Source
from .pixels import decode
from .words import phrase_of

REFERENCE, TARGET, CAPTION = "ref.png", "target.png", "caption.json"
LAYOUT = f"A pair is a subfolder with {REFERENCE}, {TARGET} and {CAPTION}"


@dataclass(frozen=True)
class _Entry:
    folder: Path
    words: str
    caption: str
    kind: str
    subject: str  # "" = nobody else's


class Folder(Source):
    def __init__(self, folder: str | Path) -> None:
        root = existing(folder)
        self.name = str(root)
        inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        if not inside:
            raise ValueError(f"The folder {root} has no subfolders. {LAYOUT}.")
        self.entries: list[_Entry] = []
        self.left_out: list[BadRow] = []
        for path in inside:
            try:
                self.entries.append(_entry(path))
            except BadRow as error:
                self.left_out.append(error)
        if not self.entries:
            raise ValueError(
                f"None of the {len(inside)} subfolders of {root} can be used. {self.left_out[0]}"
            )

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, row: int) -> Pair:
        entry = self.entries[row]
        reference, target = (_picture(entry.folder / name) for name in (REFERENCE, TARGET))
        return Pair(reference, target, entry.words, entry.caption, _plain(phrase_of(entry.words)))

    def kind(self, row: int) -> str:
        return self.entries[row].kind

    def subject(self, row: int) -> Hashable:
        return self.entries[row].subject or row

    def where(self, row: int) -> str:
        return str(self.entries[row].folder)

    def notes(self) -> list[str]:
        return [f"Left out for {error.reason}: {error}" for error in self.left_out]


def existing(folder: str | Path) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(
            f"The data's folder {path} is {'not a folder' if path.exists() else 'not there'}. Set another."
        )
    return path


def _entry(path: Path) -> _Entry:
    for name in (REFERENCE, TARGET, CAPTION):
        if not (path / name).is_file():
            raise BadRow(f"{path} has no {name}. {LAYOUT}: add it.", f"no {name}")
    file = path / CAPTION
    try:
        found = json.loads(file.read_text("utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise BadRow(f"{file} is not JSON ({error}). Write it as {_form()}.", "caption not JSON") from None
    if not isinstance(found, dict):
        raise BadRow(f"{file} holds {found!r}. Write it as {_form()}.", "caption without words")
    for name in ("words", "caption", "kind", "subject"):
        text = found.get(name, "" if name in ("words", "caption") else "-")
        if not isinstance(text, str) or not text.strip():
            raise BadRow(
                f"{file}: its {name!r} is {found.get(name)!r}, not words. Write it as {_form()}.",
                "caption without words",
            )
    words = found["words"].strip()
    kind = found.get("kind") or phrase_of(words)
    return _Entry(path, words, found["caption"].strip(), _plain(kind), _plain(found.get("subject", "")))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _picture(file: Path):
    try:
        return decode(file.read_bytes(), str(file))
    except OSError as error:
        raise BadRow(
            f"{file} cannot be read ({error.strerror}). Put a picture there.", "unreadable picture"
        ) from None


def _form() -> str:
    return '{"words": "a cat", "caption": "a cat on a sofa"}'
