"""`make diptych-preview`: examples as the trainer gets them, on a contact sheet in output/."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from tools.sheet import Cell, contact_sheet

from .example import Example
from .feed import Feed
from .order import MODES
from .reader import READERS, open_source

REFERENCE, TARGET = 160, 256  # pixels of height on the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=sorted(READERS), default="sprites")
    parser.add_argument("--folder", type=Path, help="of the data, unless it is Sprites")
    parser.add_argument("--count", type=int, default=6, help="examples, 1 or more")
    parser.add_argument(
        "--mode", action="append", choices=MODES, help="given more than once, they take turns"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output/diptychs.png"))
    args = parser.parse_args()
    if args.count < 1:
        parser.error(f"--count is how many examples to show, 1 or more; found {args.count}")
    settings = {"kind": args.source} | ({"folder": args.folder} if args.folder else {})
    ready = args.source == "musar_gen"
    modes = args.mode or (["single"] if ready else ["random", "same"])
    try:
        source = open_source(settings)
        feeds = [Feed(source, {mode: 1}, args.seed) for mode in modes]  # which take turns
        examples = [feeds[n % len(feeds)][n // len(feeds)] for n in range(args.count)]
    except ValueError as error:
        raise SystemExit(str(error)) from None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet([cells(example) for example in examples]).save(args.out)
    lines = dict.fromkeys(line for feed in feeds for line in feed.report())
    print(*lines, f"{args.count} examples in {args.out}", sep="\n")


def cells(example: Example) -> list[Cell]:
    """References with their condition prompts, then the target with the prompt."""
    shown = [(reference.words, fit(reference.image, REFERENCE)) for reference in example.references]
    return [*shown, (example.prompt, fit(example.target, TARGET))]


def fit(picture: np.ndarray, height: int) -> np.ndarray:
    """H W 3 -> about `height` high: small pictures are enlarged without blur."""
    scale = height / len(picture)
    if scale >= 1:
        return picture.repeat(round(scale), 0).repeat(round(scale), 1)
    size = (max(1, round(picture.shape[1] * scale)), height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
