"""`python -m evaluation plan …` writes the paper's tables of prompts; `score …` judges pictures.

plan  --dreambench FOLDER --part single --output prompts.csv
score --table out/ledger.parquet --dino FOLDER --clip FOLDER --output report
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from tools.table import Wrong

from .dreambench import read_dreambench
from .protocol import PARTS, SEEDS, rows_of
from .samples import Sample, read_samples


def main() -> None:
    args = _arguments()
    try:
        plan(args) if args.what == "plan" else score(args)
    except Wrong as error:
        sys.exit(f"evaluation: {error}")


def plan(args: argparse.Namespace) -> None:
    rows = list(rows_of(read_dreambench(args.dreambench), args.part, args.seeds))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows: {args.output}")


def score(args: argparse.Namespace) -> None:
    from .figures import judge_all
    from .report import lines, write_report
    from .table import means

    samples = read_samples(args.table, args.all_views, args.masks, args.saved_by)
    judges = list(_judges(args))
    if not judges:
        raise Wrong("Nothing to judge by: give --dino FOLDER, --clip FOLDER or --sprites.")
    names = [name for judge in judges for name in judge.names]
    figures = list(tqdm(judge_all(samples, judges), "judging", len(samples), unit="picture"))
    scored = list(zip(samples, figures))
    args.output.mkdir(parents=True, exist_ok=True)
    with (args.output / "scores.jsonl").open("w", encoding="utf-8") as out:
        for sample, found in scored:
            out.write(json.dumps(_line(sample) | dict(found), ensure_ascii=False) + "\n")
    told = [
        f"{len(samples)} pictures of {args.table.name}; {'; '.join(judge.told for judge in judges)}.",
        "Likeness is the mean over all references of a picture"
        + (", of each over all pictures of its folder" if args.all_views else ", one picture each")
        + (", the references cut out by their masks, on white." if args.masks else "; nothing is cut out."),
    ]
    write_report(args.output / "report.html", args.title, told, names, scored)
    table = lines(names, means(scored, names))
    (args.output / "table.md").write_text("\n".join(table) + "\n")
    print(*table, args.output / "report.html", sep="\n")


def _line(sample: Sample) -> dict:
    first = {f"reference_{k}": views[0] for k, views in enumerate(sample.references, 1)}
    return {"file": sample.file, "prompt": sample.prompt, "seed": sample.seed} | first


def _judges(args: argparse.Namespace) -> Iterator:
    if args.sprites:
        from .sprites import SpritesJudge

        yield SpritesJudge()
    if args.dino or args.clip:
        from .figures import Likeness, Wording
        from .networks import Clip, Dino

        if args.dino:
            yield Likeness("DINO", Dino(args.dino, args.device))
        if args.clip:
            clip = Clip(args.clip, args.device)
            yield Wording(clip)
            yield Likeness("CLIP-I", clip)


def _arguments() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("plan", help="a table of prompts by the paper's protocol")
    one.add_argument("--dreambench", type=Path, required=True, help="its folder as it was downloaded")
    one.add_argument("--part", choices=list(PARTS), required=True)
    one.add_argument("--seeds", type=int, default=SEEDS)
    one.add_argument("--output", type=Path, required=True, help="a CSV file")
    two = commands.add_parser("score", help="figures and a report")
    two.add_argument("--table", type=Path, required=True, help="a row a picture; a batch's ledger is one")
    two.add_argument("--dino", type=Path, help="folder of DINO ViT-S/16 or DINOv2, in transformers' format")
    two.add_argument("--clip", type=Path, help="folder of CLIP, likewise")
    two.add_argument("--sprites", action="store_true", help="the judge of Sprites")
    two.add_argument("--all-views", action="store_true", help="a reference is all pictures of its folder")
    two.add_argument("--masks", action="store_true", help="columns mask_1 … cut the references out")
    two.add_argument("--saved-by", metavar="TITLE", help="of a ledger: the node whose pictures are judged")
    two.add_argument("--device", default="cpu", help="cuda, cuda:1, mps")
    two.add_argument("--title", default="Likeness and wording")
    two.add_argument("--output", type=Path, required=True, help="folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
