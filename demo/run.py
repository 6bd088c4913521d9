"""`make demo`: Sprites through a real ComfyUI server, without routing and with, and the judge's verdict."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from sprites.judge import Request, Verdict, judge, read_cells
from sprites.world.palette import picture
from sprites.world.scene import Scene, columns_for, place_subjects, reference
from tools.comfy_server import ROOT, ComfyServer, Refused, host_from_environment
from tools.sheet import Cell, save_sheet

from .graph import MAP, MUSAR, PICTURE, WAYS, Wish, graph
from .painter import FILES

BASE = ROOT / ".run" / "demo"
OUTPUT = ROOT / "output"
ZOOM = 3  # of pictures on a sheet

WISHES = (  # name, words, kinds in the order of the words, place, seed
    ("two_subjects", "a cat next to a robot on the beach", ("cat", "robot"), "on the beach", 1),
    (
        "three_subjects",
        "a fish, a ghost and a boat under the sea",
        ("fish", "ghost", "boat"),
        "under the sea",
        2,
    ),
    ("same_kind", "a duck and another duck in the snow", ("duck", "duck"), "in the snow", 3),
)


@dataclass(frozen=True)
class Drawn:
    pixels: np.ndarray
    verdict: Verdict
    map: bytes  # a PNG file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="one sheet of all pictures into docs/images/")
    args = parser.parse_args()
    comfy, python = host_from_environment()
    link_models(BASE / "models")
    wishes = [wish_of(*wish) for wish in WISHES]
    OUTPUT.mkdir(exist_ok=True)
    for wish in wishes:
        write_references(wish)

    print("Starting ComfyUI …")
    arguments = () if torch.cuda.is_available() else ("--cpu",)
    drawn: list[tuple[Wish, dict[str, Drawn]]] = []
    with ComfyServer(BASE, comfy, python, arguments) as server:
        for wish in wishes:
            drawn.append((wish, {way: draw(server, wish, way) for way in WAYS}))

    for wish, ways in drawn:
        save_sheet(OUTPUT / f"{wish.name}.png", [row(wish, ways)], ZOOM)
        (OUTPUT / f"{wish.name}_map.png").write_bytes(ways[MUSAR].map)
    if args.docs:
        save_sheet(ROOT / "docs" / "images" / "demo.png", [row(*each) for each in drawn], 2)
    print(table(drawn))
    print(
        "Pictures are in output/: the references, then the same noise three times. The first LoRA was\n"
        "trained without routing on pictures of one and two subjects, and made to leak as people's do:\n"
        "few steps, references in any order. MUSAR's was trained on single subjects and diptychs, routed.\n"
        "The map shows which part was whose with MUSAR's. Identity is the share of a subject drawn as its\n"
        "reference shows it, leak the share in another's colours."
    )


def wish_of(name: str, words: str, kinds: tuple[str, ...], place: str, seed: int) -> Wish:
    """Looks that were never drawn in training, without a colour in common."""
    slots, rng = max(2, len(kinds)), np.random.default_rng(seed)
    while True:
        subjects = place_subjects(rng, list(kinds), slots, held=True)
        colours = [c for s in subjects for c in (s.identity.first, s.identity.second)]
        if len(set(colours)) == len(colours):
            return Wish(name, words, Scene(place, subjects, columns_for(slots)), seed)


def link_models(models: Path, files: Mapping[str, Path] = FILES) -> None:
    for name, file in files.items():
        if not file.exists():
            sys.exit(f"{file.relative_to(ROOT)} is missing: check the repository out again.")
        link = models / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(file)


def references(wish: Wish) -> list[np.ndarray]:
    return [picture(reference(s.kind, s.identity)) for s in wish.subjects]


def write_references(wish: Wish) -> None:
    folder = BASE / "input"
    folder.mkdir(parents=True, exist_ok=True)
    for k, pixels in enumerate(references(wish)):
        Image.fromarray(pixels).save(folder / wish.reference(k))


def draw(server: ComfyServer, wish: Wish, way: str) -> Drawn:
    """Queue the wish and judge its picture."""
    with tqdm(desc=f"{wish.name}, {way}", unit="step", total=0) as bar:

        def progress(node: str, step: int, steps: int) -> None:
            if node == "sampler":
                bar.total, bar.n = steps, step
                bar.refresh()

        try:
            result = server.run(graph(wish, way), progress)
        except Refused as error:
            sys.exit(f"ComfyUI did not draw {wish.name}: {error}")
    pixels = np.asarray(Image.open(io.BytesIO(result.images[PICTURE][0])).convert("RGB"))
    subjects = wish.subjects
    request = Request([s.kind for s in subjects], wish.scene.place, [s.identity for s in subjects])
    (routing_map, *_) = result.images.get(MAP, [b""])
    return Drawn(pixels, judge(read_cells(pixels), request), routing_map)


def row(wish: Wish, ways: dict[str, Drawn]) -> list[Cell]:
    """References, then the pictures."""
    shown = [(s.kind, pixels) for s, pixels in zip(wish.subjects, references(wish))]
    return shown + [(f"{way}: {figures(drawn.verdict)}", drawn.pixels) for way, drawn in ways.items()]


def figures(verdict: Verdict) -> str:
    return f"identity {np.mean(verdict.identity):.0%}, leak {np.mean(verdict.leak):.0%}"


def table(drawn: list[tuple[Wish, dict[str, Drawn]]]) -> str:
    rows = [("picture", "asked for", "drawn with", "found", "identity", "leak", "fidelity")]
    for wish, ways in drawn:
        for way, one in ways.items():
            v = one.verdict
            found = ", ".join(f.kind if f else "–" for f in v.found)
            shares = (np.mean(v.identity), np.mean(v.leak), v.fidelity)
            name, words = (wish.name, wish.words) if way == WAYS[0] else ("", "")
            rows.append((name, words, way, found, *(f"{x:.0%}" for x in shares)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["   ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(["", lines[0], "-" * len(lines[0]), *lines[1:], ""])


if __name__ == "__main__":
    main()
