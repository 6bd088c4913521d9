"""Write one section of a report, leaving the others as they are."""

from __future__ import annotations

import re
from pathlib import Path


def write_section(path: Path, title: str, command: str, lines: list[str]) -> None:
    """Replace (or append) the section `title` of a Markdown file; `command` is what made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else f"# {path.stem.capitalize()}\n"
    section = f"## {title}\n\nMade by `{command}`.\n\n" + "\n".join(lines) + "\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if pattern.search(text):
        text = pattern.sub(lambda _: section + "\n", text)
    else:
        text = text.rstrip() + "\n\n" + section
    path.write_text(text.rstrip() + "\n")
