"""`make thousand`: rows of Sprites by hand and as batches, and the judge's figures, into docs/batch.md."""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path

from gallery.on_sprites import with_sprites
from tools.comfy_server import ROOT, ComfyServer, host_from_environment, link_packs
from tools.report import write_section

from .table import MAP, sprites_rows, write_inputs

RUNS = ROOT / "runs" / "thousand"
PAGE = ROOT / "docs" / "batch.md"
WAYS = {
    "one server": [],
    "Ray, one actor": ["--ray", "--actors", "1"],
    "Ray, two actors": ["--ray", "--actors", "2"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=RUNS)
    parser.add_argument(
        "--steps", type=int, default=8, help="of each picture: few, so that the rest weighs more"
    )
    parser.add_argument("--told", default="", help="of the machine: it stands below the table")
    args = parser.parse_args()
    base = link_packs(with_sprites(args.folder / "comfy"))
    inputs = write_inputs(
        args.folder, sprites_rows(args.folder, args.rows, steps=args.steps), "two_subjects_uno"
    )
    rates = {"queued by hand, all at once": by_hand(base, args.folder)}
    for way, flags in WAYS.items():
        output = args.folder / way.replace(" ", "_").replace(",", "")
        rates[way] = as_batch([*inputs, "--base", str(base), "--output", str(output), *flags], output)
    first = args.folder / "one_server"
    score(first / "ledger.parquet", first / "report")
    hand, *_ = rates.values()
    lines = [
        f"{args.rows} rows of two subjects of Sprites, {args.steps} steps each (few, so that what is not "
        "drawing weighs more). Seconds count from the first picture to the last: starting ComfyUI and Ray is "
        "left out.",
        "",
        "| way | pictures a second | against by hand |",
        "|---|---|---|",
        *(f"| {way} | {rate:.2f} | {rate / hand:.3f} |" for way, rate in rates.items()),
        *(["", args.told] if args.told else []),
        "",
        "The judge's figures of the batch:",
        "",
        (first / "report" / "table.md").read_text().strip(),
    ]
    write_section(PAGE, "A thousand rows", "make thousand", lines)


def by_hand(base: Path, folder: Path) -> float:
    """Pictures a second of the same prompts, each posted to one server as a person's script would."""
    prompts = list(_filled(folder))
    with ComfyServer(base, *host_from_environment()) as server:
        for prompt in prompts:
            body = json.dumps({"prompt": prompt, "prompt_id": str(uuid.uuid4())}).encode()
            request = urllib.request.Request(
                f"http://{server.address}/prompt", body, {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request).close()
        while server.json("/prompt")["exec_info"]["queue_remaining"]:  # a few bytes, unlike /queue
            time.sleep(0.5)
        ends = [_end(entry) for entry in server.json("/history?max_items=100000").values()]
    return (len(ends) - 1) / (max(ends) - min(ends))


def _filled(folder: Path) -> list[dict]:
    """The table's rows as prompts."""
    graph = json.loads((folder / "graph.json").read_text())
    titles = {node["_meta"]["title"]: number for number, node in graph.items()}
    base, prompts = folder / "comfy" / "input", []
    for row in csv.DictReader((folder / "table.csv").open()):
        prompt = json.loads(json.dumps(graph))
        for column, place in MAP.items():
            title, name = place.split("/")
            value = int(row[column]) if column in ("seed", "steps") else row[column]
            if column.startswith("reference"):
                (base / Path(value).name).write_bytes(Path(value).read_bytes())
                value = Path(value).name
            prompt[titles[title]]["inputs"][name] = value
        prompts.append(prompt)
    return prompts


def _end(entry: dict) -> float:
    return (
        next(d["timestamp"] for kind, d in entry["status"]["messages"] if kind == "execution_success") / 1000
    )


def as_batch(arguments: Sequence[str], output: Path) -> float:
    subprocess.run([sys.executable, "-m", "batch", "run", *arguments], cwd=ROOT, check=True)
    ends = [f.stat().st_mtime for f in (output / "pictures").iterdir()]
    return (len(ends) - 1) / (max(ends) - min(ends))


def score(ledger: Path, output: Path) -> None:
    command = [sys.executable, "-m", "evaluation", "score", "--sprites", "--title", "Sprites by the thousand"]
    subprocess.run([*command, "--table", str(ledger), "--output", str(output)], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
