"""Every cell of the table for one variant, a line a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tqdm import tqdm

from .cases import CELLS, cases, name_of
from .score import figures
from .variant import Variant


def judge(variant: Variant, settings: Mapping) -> None:
    """`settings` holds how many prompts a cell and how many seeds, of a run from another seed fewer."""
    prompts, seeds = settings["prompts"], settings["again_seeds" if variant.repeats else "seeds"]
    artist = variant.artist()
    scores: dict[str, list[dict]] = {}
    with tqdm(desc=f"judging {variant.name}", total=len(CELLS) * prompts * seeds) as bar:
        for count, same in CELLS:
            asked = cases(
                count, same, prompts, another_in_phrase=variant.config.get("another_in_phrase", False)
            )
            seen = []
            for i, seed, cells in artist.draw(asked, seeds):
                seen.append({"case": i, "seed": seed} | figures(cells, asked[i].request))
                bar.update()
            scores[name_of(count, same)] = sorted(seen, key=lambda p: (p["case"], p["seed"]))
    variant.scores.write_text(as_json(scores))


def as_json(scores: dict[str, list[dict]]) -> str:
    """A line a picture."""
    cells = (
        f"{json.dumps(cell)}: [\n" + ",\n".join(map(json.dumps, pictures)) + "\n]"
        for cell, pictures in scores.items()
    )
    return "{\n" + ",\n".join(cells) + "\n}\n"
