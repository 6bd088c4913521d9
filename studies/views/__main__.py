"""`make views`: subjects with one view and with two, through a ComfyUI server, into docs/results.md."""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gallery.bases import MUSAR, UNO, Base
from gallery.graph import draw
from gallery.on_sprites import as_sprites, with_sprites
from sprites.judge import read_cells
from sprites.world.kinds import SIDE
from sprites.world.palette import INDEX, picture
from sprites.world.scene import PATCH, Placed, reference
from tools.comfy_server import ROOT, ComfyServer, host_from_environment
from tools.report import write_section

from ..judging.cases import Case, cases
from ..judging.score import figures
from ..judging.table import bootstrap

PAGE = ROOT / "docs" / "results.md"
View = tuple[int, str]  # corner of the subject's box, and what is hidden: nothing, left or right
WAYS: dict[str, Sequence[View]] = {
    "one view": [(0, "")],
    "two views": [(0, ""), (PATCH, "")],
    "one view, its left half hidden": [(0, "left")],
    "two views, the left half hidden in one and the right in the other": [(0, "left"), (PATCH, "right")],
    "two views, the left half hidden in both": [(0, "left"), (PATCH, "left")],
}
SUBJECTS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    asked, rows = cases(SUBJECTS, False, args.prompts), []
    comfy, python = host_from_environment()
    with tempfile.TemporaryDirectory() as base:
        with ComfyServer(with_sprites(Path(base)), comfy, python) as server:
            for network in (UNO, MUSAR):
                for way, views in WAYS.items():
                    found = [
                        judged(server, network, case, views, args.seeds)
                        for case in tqdm(asked, f"{network.name}, {way}")
                    ]
                    mean, low, high = bootstrap([f[0] for f in found])
                    leak = np.mean([f[1] for f in found])
                    rows.append(
                        f"| {network.preset} | {way} | {mean:.3f} ({low:.2f}–{high:.2f}) | {leak:.3f} |"
                    )
    lines = [
        f"{args.prompts} prompts of {SUBJECTS} subjects with looks never trained on × {args.seeds} seeds, "
        "drawn by the shipped graphs through a ComfyUI server. In a second view the subject stands in "
        "another corner. Neither LoRA was trained with several views of one subject.",
        "",
        "| LoRA | each subject has | identity ↑ | leak ↓ |",
        "|---|---|---|---|",
        *rows,
    ]
    write_section(PAGE, "Several views of a subject", "make views", lines)


def judged(
    server: ComfyServer, network: Base, case: Case, views: Sequence[View], seeds: int
) -> tuple[float, float]:
    """Identity and leak, mean over the seeds."""
    subjects = case.scene.subjects
    graph = draw("views", network, [(s.kind, f"{k}_0.png") for k, s in enumerate(subjects)], case.words)
    for k, subject in enumerate(subjects):
        for number, view in enumerate(views):
            Image.fromarray(shown(subject, *view)).save(server.base / "input" / f"{k}_{number}.png")
        if len(views) > 1:
            more = {
                f"images.image{n}": graph.add(f"{k + 1}{n + 2}", "LoadImage", "View", 0, image=f"{k}_{n}.png")
                for n in range(len(views))
            }
            batch = graph.add(f"{k + 1}9", "BatchImagesNode", "Views", 1, **more)
            graph.prompt[f"{k + 1}1"]["inputs"]["image"] = batch
    prompt, found = as_sprites(graph.prompt), []
    for seed in range(seeds):
        prompt["9"]["inputs"]["seed"] = seed
        (file,) = server.run(prompt).images["81"]
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        found.append(figures(read_cells(pixels), case.request))
    leaks = [f["leak"] for f in found if f["leak"] is not None]
    return float(np.mean([f["identity"] for f in found])), float(np.mean(leaks)) if leaks else 0.0


def shown(subject: Placed, corner: int, hidden: str) -> np.ndarray:
    cells = reference(subject.kind, subject.identity, corner, corner)
    if hidden:
        first = corner + (SIDE // 2 if hidden == "right" else 0)
        cells[:, first : first + SIDE // 2] = INDEX["paper"]
    return picture(cells)


if __name__ == "__main__":
    main()
