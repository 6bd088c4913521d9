"""Pictures to judge: a table with a row a picture, its prompt and its references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tools.table import Wrong, open_table

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
DRAWN_FROM = b"musar_table_folder"  # in the metadata of a batch's ledger
REFERENCE = re.compile(r"reference_(\d+)")


@dataclass(frozen=True)
class Sample:
    file: str
    prompt: str
    references: tuple[tuple[str, ...], ...]  # of each subject: its pictures
    masks: tuple[str, ...] = ()  # of each subject's reference; white is the subject
    seed: object = None

    @property
    def case(self) -> tuple:
        """What its seeds share."""
        return self.prompt, self.references


def read_samples(
    table: Path, all_views: bool = False, masks: bool = False, saved_by: str | None = None
) -> list[Sample]:
    """Columns: file (or files, as a batch's ledger has), prompt, reference_1 …, mask_1 …, seed.

    `all_views`: a reference stands for all pictures of its folder. `saved_by`: of a ledger, the title of the
    node whose pictures are judged.
    """
    if all_views and masks:
        raise Wrong(
            "--all-views and --masks do not go together: a mask belongs to one picture, and the folder has "
            "others. Leave one of them out."
        )
    samples, missing, folders = [], [], _folders(table)
    for number, row in enumerate(_rows(table), 1):
        files = row.get("files") or ([row["file"]] if row.get("file") else [])
        if row.get("status", "drawn") != "drawn":
            continue
        files = _saved_by(files, row.get("saved_by"), saved_by, table)
        columns = sorted((c for c in row if REFERENCE.fullmatch(c) and row[c]), key=lambda c: int(c[10:]))
        if not files or not isinstance(row.get("prompt"), str) or not columns:
            raise Wrong(
                f"Row {number} of {table} needs file (or files), prompt and reference_1; it has "
                f"{', '.join(k for k, v in row.items() if v)}."
            )
        references = tuple(_views(_find(folders, row[c]), all_views) for c in columns)
        masked = tuple(str(_find(folders, row[f"mask_{c[10:]}"])) for c in columns) if masks else ()
        drawn = [str(_find(folders, file)) for file in files]
        samples += [Sample(file, row["prompt"], references, masked, row.get("seed")) for file in drawn]
        named = (*drawn, *masked, *(f for views in references for f in views))
        missing += [(number, f) for f in named if not Path(f).is_file()]
    if missing:
        told = ", ".join(f"row {row}: {file}" for row, file in missing[:10])
        raise Wrong(
            f"{len(missing)} pictures of {table} are not there: {told}. Names count from where you are or "
            "from the table's folder: start where the pictures lie, or give whole paths."
        )
    if not samples:
        raise Wrong(f"{table} has no picture that was drawn.")
    return samples


def _saved_by(files: Sequence[str], nodes: Sequence[str] | None, wanted: str | None, table: Path) -> list:
    """A graph may save maps or masks beside its pictures."""
    titles = ", ".join(map(repr, dict.fromkeys(nodes or ())))
    if wanted and wanted not in (nodes or ()):
        raise Wrong(f"--saved-by is {wanted!r}, and the pictures of {table} were saved by {titles or '?'}.")
    if wanted:
        return [file for file, node in zip(files, nodes) if node == wanted]
    if len(set(nodes or ())) > 1:
        raise Wrong(
            f"The pictures of {table} were saved by several nodes: {titles}. Say whose are judged: "
            f"--saved-by {nodes[0]!r}."
        )
    return list(files)


def _rows(table: Path) -> Iterator[Mapping]:
    for row in open_table(table):
        if row.broken:
            raise Wrong(f"Row {row.number} of {table} cannot be read: {row.broken}.")
        yield row.values


def _folders(table: Path) -> list[Path]:
    """Of the table, and of the one that a batch's ledger was drawn from."""
    folders = [table.resolve().parent]
    if table.suffix.lower() == ".parquet" and table.is_file():
        from pyarrow import parquet

        told = (parquet.read_schema(table).metadata or {}).get(DRAWN_FROM)
        folders += [Path(told.decode())] if told else []
    return folders


def _find(folders: Sequence[Path], name: str) -> Path:
    """As the row has it, or in one of the folders."""
    path = Path(name)
    if path.is_absolute() or path.is_file():
        return path
    every = [folder / name for folder in folders]
    return next((file for file in every if file.is_file()), every[0])


def _views(file: Path, all_views: bool) -> tuple[str, ...]:
    if not all_views:
        return (str(file),)
    views = sorted(str(f) for f in file.parent.glob("*") if f.suffix.lower() in IMAGES)
    return tuple(views or [str(file)])  # which is not there then, and told


@lru_cache(64)  # 0.2 GB of pictures of 1024², 0.8 GB of 2048²
def pixels(file: str, mask: str = "") -> np.ndarray:
    """H × W × 3 of 0…255; white where the mask is black."""
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    if mask:
        shown = ImageOps.exif_transpose(Image.open(mask)).convert("L")
        wide, high = image.size
        if abs(wide * shown.height - high * shown.width) > max(*image.size, *shown.size):  # beyond rounding
            raise Wrong(
                f"The mask {mask} is {shown.width} × {shown.height} and its picture {file} {wide} × {high}: "
                "they have other proportions. Give the mask of this picture."
            )
        shown = shown.resize(image.size)
        image = Image.composite(image, Image.new("RGB", image.size, "white"), shown)
    return np.array(image)
