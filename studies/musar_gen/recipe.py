"""Subjects and scenes to a batch's table; what was drawn and judged to the trainer's Parquet."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from training.data.musar_gen import COLUMNS
from training.data.words import another, phrase_of

PROMPT = (  # MUSAR-Gen's own
    "An undivided, seamless, and harmonious picture with two objects. In the {scene} scene, {first} and "
    "{second} are placed together."
)
RULES = {">=": operator.ge, "<=": operator.le}
SHARD = 1000  # rows a file


def table_rows(
    subjects: Sequence[tuple[Path, str]],
    scenes: Sequence[str],
    count: int,
    prompt: str = PROMPT,
    seed: int = 0,
) -> Iterator[dict]:
    """`count` pairs of subjects (picture, words), each pair in a scene once."""
    rng, taken = np.random.default_rng(seed), set()
    most = len(subjects) * (len(subjects) - 1) * len(scenes)
    while len(taken) < min(count, most):
        a, b = rng.choice(len(subjects), 2, replace=False).tolist()
        scene = int(rng.integers(len(scenes)))
        if (a, b, scene) in taken:
            continue
        taken.add((a, b, scene))
        (first, words), (second, others) = subjects[a], subjects[b]
        if phrase_of(words).lower() == phrase_of(others).lower():
            others = another(others)
        yield {
            "prompt": prompt.format(scene=scenes[scene], first=words, second=others),
            "seed": int(rng.integers(2**31)),
            "reference_1": str(first.resolve()),
            "reference_2": str(second.resolve()),
            "words_1": words,
            "words_2": others,
            "phrase_1": phrase_of(words),
            "phrase_2": phrase_of(others),
        }


def pack(ledger: Path, scores: Path, rules: Sequence[str], folder: Path) -> tuple[int, int]:
    """Rows whose figures keep every rule (`identity>=0.9`), as shards; how many are kept, and of how many."""
    figures = {Path(s["file"]).resolve(): s for s in map(json.loads, scores.open())}
    tests = [_rule(rule) for rule in rules]
    rows = [r for r in parquet.read_table(ledger).to_pylist() if r["status"] == "drawn"]
    drawn = [(row, Path(file).resolve()) for row in rows for file in row["files"]]
    judged = [one for one in drawn if one[1] in figures]  # not the maps or masks beside a picture
    if lost := [r["files"] for r in rows if not any(Path(file).resolve() in figures for file in r["files"])]:
        raise ValueError(
            f"{scores} has no figures for {len(lost)} rows of {ledger}, such as that of {lost[0]}: judge "
            "this ledger again, from the same folder."
        )
    kept = [one for one in judged if all(test(figures[one[1]]) for test in tests)]
    folder.mkdir(parents=True, exist_ok=True)
    if old := sorted(folder.glob("*.parquet")):
        raise ValueError(
            f"There are shards in {folder} already ({old[0].name} …), and training would read them too. Give "
            "another folder, or delete them."
        )
    for start in range(0, len(kept), SHARD):
        table = pa.Table.from_pylist([_example(*one) for one in kept[start : start + SHARD]])
        parquet.write_table(table, folder / f"{start // SHARD:05d}.parquet", row_group_size=100)
    return len(kept), len(judged)


def _rule(text: str) -> callable:
    found = re.fullmatch(r"\s*([\w-]+)\s*(>=|<=)\s*(-?[\d.]+)\s*", text)
    if not found:
        raise ValueError(f"--keep {text} is no rule. Write a figure, >= or <=, and a number: 'DINO>=0.6'.")
    name, sign, bound = found[1], RULES[found[2]], float(found[3])

    def test(figures: Mapping) -> bool:
        if name not in figures:
            raise ValueError(f"--keep {text}: the scores have no {name}, but {', '.join(figures)}.")
        return figures[name] is not None and sign(figures[name], bound)

    return test


def _example(row: Mapping, drawn: Path) -> dict:
    """A row of MUSAR-Gen."""
    files = (Path(row["reference_1"]), Path(row["reference_2"]), drawn)
    pictures = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    return dict(zip(COLUMNS, [*pictures, row["words_1"], row["words_2"], row["prompt"]]))
