"""`make anyms`: draw in boxes every way, judge every picture, and write docs/results.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..judging.judge import as_json
from .asked import boxed_cases
from .found import measured
from .report import write_report, write_sheet
from .train import read_settings
from .ways import Hand, Placing

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="WAY", help="these ways alone")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="these cells alone")
    parser.add_argument("--sheet", action="store_true", help="with the pictures, too")
    args = parser.parse_args()
    settings = read_settings()
    RESULTS.mkdir(exist_ok=True)
    ways = {name: Placing(**values) for name, values in settings["ways"].items()}
    for name, way in ways.items():
        if not args.only or name in args.only:
            judge(name, way, settings["judge"], args.cells)
    write_report({n: json.loads(file_of(n).read_text()) for n in ways if file_of(n).exists()}, settings)
    if args.sheet or not (args.only or args.cells):
        write_sheet(settings)


def file_of(way: str) -> Path:
    return RESULTS / f"{way.replace(',', '').replace(' ', '_')}.json"


def judge(name: str, way: Placing, settings: dict, cells: list[str] | None) -> None:
    """Every cell that is not judged yet; each is kept as soon as it is done."""
    file = file_of(name)
    scores = json.loads(file.read_text()) if file.exists() else {}
    chosen = [c for c in cells or settings["cells"] if c in (way.cells or settings["cells"])]
    missing = [cell for cell in chosen if cell not in scores]
    if not missing:
        return
    hand = Hand(way, settings)
    for cell in tqdm(missing, name):
        asked = boxed_cases(
            references=way.musar, **({"prompts": settings["prompts"]} | settings["cells"][cell])
        )
        seen = [
            {"case": i, "seed": seed} | measured(cells, asked[i].request)
            for i, seed, cells in hand.artist.draw(asked, settings["seeds"], hand.ready)
        ]
        scores[cell] = sorted(seen, key=lambda p: (p["case"], p["seed"]))
        file.write_text(as_json(scores))
        print(cell, {f: round(float(np.mean([p[f] for p in seen])), 3) for f in ("layout", "identity")})


if __name__ == "__main__":
    main()
