"""`make flux2`: the same base through a ComfyUI server, with core's Flux KV Cache and without."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from tqdm import tqdm

from gallery.bases import KLEIN_CACHED
from gallery.graph import draw
from gallery.on_sprites import as_sprites, with_sprites
from sprites.judge import read_cells
from tools.comfy_server import ROOT, ComfyServer, host_from_environment
from tools.report import write_section

from ..judging.cases import Case, cases, name_of
from ..judging.score import figures
from ..training_free.drawn import KEPT, as_json
from ..training_free.report import table

HERE = Path(__file__).parent
EVERY = yaml.safe_load((HERE / "flux2.yaml").read_text())
SETTINGS, FEW = EVERY["cached"], EVERY["few"]
RESULTS = HERE / "results" / "cached.json"
LOADER, ROUTING, CACHE, GUIDER, SCHEDULE, SAVED = "1", "3", "98", "95", "97", "81"  # the graph's nodes
WAYS = {  # from the loader to the guider
    "no routing": (),
    "no routing, cached": (CACHE,),
    "MUSAR Routing": (ROUTING,),
    "MUSAR Routing, cached": (ROUTING, CACHE),
}


def main() -> None:
    scores = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    missing = [way for way in WAYS if way not in scores]
    asked = {name_of(*cell): cases(*cell, SETTINGS["prompts"]) for cell in SETTINGS["cells"]}
    if missing:
        comfy, python = host_from_environment()
        with tempfile.TemporaryDirectory() as base:
            with ComfyServer(with_sprites(Path(base)), comfy, python) as server:
                for way in tqdm(missing, "ways"):
                    found = {c: judged(server, WAYS[way], prompts) for c, prompts in asked.items()}
                    scores[way] = found
                    RESULTS.write_text(as_json(scores))
                    print(way, {c: round(float(np.mean(f["identity"])), 3) for c, f in found.items()})
    write_report(scores, list(asked))


def judged(server: ComfyServer, between: Sequence[str], asked: Sequence[Case]) -> dict[str, list]:
    """Figure: a value a prompt."""
    found = []
    for number, case in enumerate(tqdm(asked, leave=False)):
        prompt = as_sprites(graph_of(case, server.base / "input", seed=number))
        model = LOADER
        for node in between:
            prompt[node]["inputs"]["model"] = [model, 0]
            model = node
        prompt[GUIDER]["inputs"] |= {"model": [model, 0], "cfg": FEW["cfg"]}
        prompt[SCHEDULE]["inputs"]["steps"] = FEW["steps"]
        for unused in {ROUTING, CACHE} - set(between):
            del prompt[unused]
        (file,) = server.run(prompt).images[SAVED]
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        found.append(figures(read_cells(pixels), case.request))
    return {name: [f[name] for f in found] for name in KEPT}


def graph_of(case: Case, inputs: Path, seed: int) -> dict:
    """The shipped graph with Flux KV Cache, of this case's subjects."""
    subjects = []
    for k, reference in enumerate(case.example.references):
        Image.fromarray(reference.image).save(inputs / f"{k}.png")
        subjects.append((reference.phrase, f"{k}.png"))
    return draw("cached", KLEIN_CACHED, subjects, case.words, seed=seed).prompt


def write_report(scores: dict, cells: list[str]) -> None:
    lines = [
        "Drawn by the shipped graph with *Flux KV Cache* through a ComfyUI server, with core's node and "
        f"without it, with MUSAR Routing (preset {KLEIN_CACHED.preset}) and without it. "
        f"{SETTINGS['prompts']} prompts with looks never trained on × 1 seed a cell, {FEW['steps']} steps of "
        f"ComfyUI's own schedule of FLUX.2, cfg {FEW['cfg']:g}. The base was not trained with references "
        "whose keys and values stay those of the first step, as klein 9B KV was. Identity, leak and fidelity "
        "as above.",
        "",
        *table(scores, cells),
    ]
    write_section(ROOT / "docs" / "results.md", "FLUX.2 with Flux KV Cache", "make flux2", lines)


if __name__ == "__main__":
    main()
