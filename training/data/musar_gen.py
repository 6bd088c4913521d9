"""MUSAR-Gen from a folder of Parquet shards: two references and one picture of both, ready as examples."""

from __future__ import annotations

from pathlib import Path

from musar_attention import find_phrases

from .example import Example, Reference
from .pair import BadRow, Source
from .parquet import KEEP, Shards, picture_bytes
from .pixels import decode
from .words import letters, occurrence, phrase_of

COLUMNS = ("cond_img_0", "cond_img_1", "tgt_img", "cond_prompt_0", "cond_prompt_1", "prompt")


class MusarGen(Source):
    ready = True

    def __init__(self, folder: str | Path, keep: int = KEEP) -> None:
        self.shards = Shards(folder, COLUMNS, keep)
        self.name = str(self.shards.folder)
        self.rows = [
            (number, row) for number, group in enumerate(self.shards.groups) for row in range(group.rows)
        ]
        if not self.rows:
            raise ValueError(f"The shards in {self.name} have no rows. Download them again.")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Example:
        found = self.shards.row(*self.rows[row], COLUMNS)
        prompt, *words = (self._words(found, row, name) for name in ("prompt", *COLUMNS[3:5]))
        phrases = [phrase_of(text) for text in words]
        try:
            spans = find_phrases(letters(prompt), phrases)
        except ValueError as error:
            raise BadRow(f"{self.where(row)}: {error}", "phrase lost") from None
        images = [
            decode(picture_bytes(found[name], self.where(row)), self.where(row)) for name in COLUMNS[:3]
        ]
        references = tuple(
            Reference(image, text, phrase, occurrence(prompt, phrase, span[-1]))
            for image, text, phrase, span in zip(images, words, phrases, spans)
        )
        return Example(prompt, references, images[2])

    def kind(self, row: int) -> str:
        return ""  # its rows are not made into diptychs

    def groups(self) -> list[range]:
        groups, start = [], 0
        for group in self.shards.groups:
            groups.append(range(start, start + group.rows))
            start += group.rows
        return [group for group in groups if group]

    def where(self, row: int) -> str:
        return self.shards.where(*self.rows[row])

    def _words(self, found: dict, row: int, column: str) -> str:
        text = found[column]
        if not isinstance(text, str) or not text.strip():
            raise BadRow(
                f"{self.where(row)}: its {column} is {text!r}, not words. It is skipped.", "no words"
            )
        return text.strip()
