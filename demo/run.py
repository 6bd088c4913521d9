"""`make demo`: pictures of Sprites through a real ComfyUI server, and what the judge says of them."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from tools.comfy_server import ROOT, ComfyServer, Refused, host_from_environment

from .graph import MAP, PICTURE, Wish, graph
from .judge import Request, Verdict, judge, read_cells
from .painter import FLUX, MODELS, TEXT, VAE
from .sprites.palette import picture
from .sprites.scene import Scene, columns_for, place_subjects, reference

BASE = ROOT / ".run" / "demo"
OUTPUT = ROOT / "output"
ZOOM = 4  # of what lies in output/
FAINT = 0.001  # a strength at which a reference is routed but changes nothing that one can see

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


def main() -> None:
    comfy, python = host_from_environment()
    link_models(BASE / "models")
    wishes = [wish_of(*wish) for wish in WISHES]
    OUTPUT.mkdir(exist_ok=True)
    for wish in wishes:
        write_references(wish)

    print("Starting ComfyUI …")
    arguments = () if torch.cuda.is_available() else ("--cpu",)
    with ComfyServer(BASE, comfy, python, arguments) as server:
        verdicts = [draw(server, wish) for wish in wishes]

    print(table(wishes, verdicts))
    print(
        "Pictures, references and routing maps are in output/.\n"
        "The base model of Sprites draws from words and has not learned to read references yet, so\n"
        f"they take part with a strength of {FAINT:g}: the maps show which part of the picture would see\n"
        "which reference, and the looks are the model's own."
    )


def wish_of(name: str, words: str, kinds: tuple[str, ...], place: str, seed: int) -> Wish:
    """Looks that were never drawn in training."""
    slots = max(2, len(kinds))
    subjects = place_subjects(np.random.default_rng(seed), list(kinds), slots, held=True)
    return Wish(name, words, Scene(place, subjects, columns_for(slots)), seed)


def link_models(models: Path) -> None:
    for kind, name in (("diffusion_models", FLUX), ("vae", VAE), ("text_encoders", TEXT)):
        if not (MODELS / name).exists():
            sys.exit(
                f"demo/models/{name} is missing: check the repository out again, or `make sprites-train`."
            )
        link = models / kind / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(MODELS / name)


def write_references(wish: Wish) -> None:
    folder = BASE / "input"
    folder.mkdir(parents=True, exist_ok=True)
    for k, subject in enumerate(wish.subjects):
        image = Image.fromarray(picture(reference(subject.kind, subject.identity)))
        image.save(folder / wish.reference(k))
        shutil.copy(folder / wish.reference(k), OUTPUT / f"reference_{wish.reference(k)}")


def draw(server: ComfyServer, wish: Wish) -> Verdict:
    """Queue the wish, save its picture and its routing map, and judge it."""
    with tqdm(desc=wish.name, unit="step", total=0) as bar:

        def progress(node: str, step: int, steps: int) -> None:
            if node == "sampler":
                bar.total, bar.n = steps, step
                bar.refresh()

        try:
            result = server.run(graph(wish, FAINT), progress)
        except Refused as error:
            sys.exit(f"ComfyUI did not draw {wish.name}: {error}")
    drawn = Image.open(io.BytesIO(result.images[PICTURE][0]))
    drawn.resize((drawn.width * ZOOM, drawn.height * ZOOM), Image.NEAREST).save(OUTPUT / f"{wish.name}.png")
    (OUTPUT / f"{wish.name}_map.png").write_bytes(result.images[MAP][0])
    request = Request([s.kind for s in wish.subjects], wish.scene.place)
    return judge(read_cells(np.asarray(drawn.convert("RGB"))), request)


def table(wishes: list[Wish], verdicts: list[Verdict]) -> str:
    rows = [("picture", "asked for", "found", "background", "fidelity")]
    for wish, verdict in zip(wishes, verdicts):
        found = [f.kind if f else "–" for f in verdict.found]
        rows.append((wish.name, wish.words, ", ".join(found), verdict.place, f"{verdict.fidelity:.0%}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["   ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(["", lines[0], "-" * len(lines[0]), *lines[1:], ""])


if __name__ == "__main__":
    main()
