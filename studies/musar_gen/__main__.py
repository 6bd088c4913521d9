"""`python -m studies.musar_gen table …`, then a batch and its scores, then `… pack …`: a set to train on.

table  --subjects subjects.csv --scenes scenes.txt --count 1000 --output pairs.csv
       subjects.csv has the columns image and words ("a red mug"); scenes.txt a scene a line
pack   --ledger out/ledger.parquet --scores report/scores.jsonl --keep 'DINO>=0.6' --output data/mine
sprites --count 12 --folder runs/musar_gen
       all of it on Sprites, drawn by a ComfyUI server of its own (or --server HOST:PORT)
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gallery.on_sprites import with_sprites
from sprites.world.captions import a
from sprites.world.kinds import KINDS
from sprites.world.palette import picture
from sprites.world.places import PLACES
from sprites.world.scene import pick_identity, reference
from tools.comfy_server import ROOT, link_packs

from ..thousand.table import write_inputs
from .recipe import PROMPT, pack, table_rows


def main() -> None:
    args = _arguments()
    try:
        {"table": table, "pack": packed, "sprites": on_sprites}[args.what](args)
    except ValueError as error:
        sys.exit(f"musar_gen: {error}")


def table(args: argparse.Namespace) -> None:
    with args.subjects.open() as lines:
        subjects = [(args.subjects.parent / r["image"], r["words"]) for r in csv.DictReader(lines)]
    scenes = list(filter(None, map(str.strip, args.scenes.read_text().splitlines())))
    rows = list(table_rows(subjects, scenes, args.count, args.prompt, args.seed))
    with args.output.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows: {args.output}")


def packed(args: argparse.Namespace) -> None:
    kept, of = pack(args.ledger, args.scores, args.keep, args.output)
    print(f"{kept} of {of} pictures kept: {args.output}")


def on_sprites(args: argparse.Namespace) -> None:
    """Two looks of every kind, in all six places."""
    folder, rng, subjects = args.folder, np.random.default_rng(3), []
    (folder / "subjects").mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(KINDS * 2):
        file = folder / "subjects" / f"{number:02d}_{kind}.png"
        Image.fromarray(picture(reference(kind, pick_identity(rng, kind)))).save(file)
        subjects.append((file, a(kind)))
    rows = list(table_rows(subjects, list(PLACES), args.count, "{first} and {second} {scene}", 3))
    inputs = write_inputs(folder, rows, "two_subjects_musar")
    place = (
        ["--server", args.server]
        if args.server
        else ["--base", str(link_packs(with_sprites(folder / "comfy")))]
    )
    _run("batch", "run", *inputs, "--output", str(folder / "out"), *place)
    shutil.rmtree(folder / "set", ignore_errors=True)  # of the run before
    ledger, report = folder / "out" / "ledger.parquet", folder / "report"
    _run("evaluation", "score", "--sprites", "--table", str(ledger), "--output", str(report))
    kept, of = pack(
        ledger, report / "scores.jsonl", ["identity>=0.8", "leak<=0.1", "fidelity>=1"], folder / "set"
    )
    print(f"{kept} of {of} pictures kept: {folder / 'set'}")


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("table")
    one.add_argument("--subjects", type=Path, required=True)
    one.add_argument("--scenes", type=Path, required=True)
    one.add_argument("--count", type=int, required=True)
    one.add_argument("--prompt", default=PROMPT, help="with {scene}, {first} and {second}")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--output", type=Path, required=True)
    two = commands.add_parser("pack")
    two.add_argument("--ledger", type=Path, required=True)
    two.add_argument("--scores", type=Path, required=True)
    two.add_argument("--keep", action="append", default=[], metavar="'FIGURE>=NUMBER'")
    two.add_argument("--output", type=Path, required=True)
    three = commands.add_parser("sprites")
    three.add_argument("--count", type=int, default=12)
    three.add_argument("--folder", type=Path, default=ROOT / "runs" / "musar_gen")
    three.add_argument("--server", help="one that has the models of Sprites")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
