"""The tables of files in docs, between two marks, from the one list."""

from __future__ import annotations

import re
from pathlib import Path

from tools.comfy_server import ROOT

from .files import EVERY, File, files_of
from .graphs import every_graph

PAGES = ("README.md", "README.zh.md", "docs/flux2.md", "docs/anyms.md")
CHINESE = {
    "as FLUX.1-dev": "同 FLUX.1-dev",
    "as the model": "同模型",
    "CC BY-NC 4.0 by its README, tagged CC BY-NC-ND 4.0; FLUX.1-dev's terms apply too": (
        "README 写 CC BY-NC 4.0，标签为 CC BY-NC-ND 4.0；FLUX.1-dev 的条款同样适用"
    ),
}
HEADS = {
    "en": ("file", "folder", "from", "licence"),
    "zh": ("文件", "文件夹", "来源", "许可"),
}
PUBLISHED = {"en": " (published as `{}`)", "zh": "（发布时名为 `{}`）"}
GATED = {"en": " (accept its licence there first)", "zh": "（请先在那里接受许可）"}


def write_tables() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(with_tables(path.read_text(), language(path)))


def language(path: Path) -> str:
    return "zh" if path.stem.endswith(".zh") else "en"


def with_tables(text: str, language: str) -> str:
    """A page with its tables as they should be: `<!-- files: flux1 -->` … `<!-- end of files -->`, of a table
    of the list or of a graph."""
    return re.sub(
        r"(<!-- files: (\w+) -->\n).*?(?=<!-- end of files -->)",
        lambda found: found[1] + table(found[2], language),
        text,
        flags=re.DOTALL,
    )


def table(name: str, language: str) -> str:
    rows = [HEADS[language], ("---",) * 4]
    of_graph = next((files_of(graph.prompt) for graph in every_graph() if graph.name == name), None)
    files = [file for file in EVERY if file.table == name] if of_graph is None else of_graph
    rows += [_row(file, language) for file in files if file.url]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace(
        "| --- | --- | --- | --- |", "|---|---|---|---|"
    )


def _row(file: File, language: str) -> tuple[str, ...]:
    name = f"`{file.name}`" + (
        PUBLISHED[language].format(file.published) if file.published != file.name else ""
    )
    source = f"[{file.repository}]({file.url})" + (GATED[language] if file.gated else "")
    licence = CHINESE.get(file.licence, file.licence) if language == "zh" else file.licence
    return name, f"`{file.folder}`", source, licence
