"""What a page of Markdown has, whatever its language."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

CODE = re.compile(r"`([^`]+)`")
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
TARGET = re.compile(r"\]\([^)]*\)")  # of a link
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
FENCE = "```"


@dataclass
class Section:
    """A heading and what stands under it, up to the next."""

    level: int
    tables: list[tuple[int, int]] = field(default_factory=list)  # rows × columns
    blocks: int = 0  # of code
    items: int = 0  # of lists
    images: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # in backquotes
    figures: Counter[str] = field(default_factory=Counter)


def sections(page: str) -> list[Section]:
    found, in_block, in_table = [Section(0)], False, False
    for line in page.splitlines():
        if line.startswith(FENCE):
            in_block = not in_block
            found[-1].blocks += in_block
        if in_block or line.startswith(FENCE):
            continue
        if line.startswith("#"):
            found.append(Section(len(line) - len(line.lstrip("#"))))
        here = found[-1]
        is_row = line.startswith("|")
        if is_row:
            rows = here.tables.pop()[0] if in_table else 0
            here.tables.append((rows + 1, len(re.findall(r"(?<!\\)\|", line)) - 1))
        in_table = is_row
        here.items += line.startswith("- ")
        here.images += IMAGE.findall(line)
        here.names |= set(CODE.findall(line))
        here.figures += Counter(NUMBER.findall(TARGET.sub("]", CODE.sub("", line))))
    return found
