"""`make demo` without the weights of Sprites: a shipped prompt with tiny random models."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from tools.comfy_server import ROOT, ComfyServer, Refused, host_from_environment

from .comfy_host import use_comfy
from .pictures import write_references
from .stand_ins import with_small_models
from .tiny import write_models

BASE = ROOT / ".run" / "demo"
OUTPUT = ROOT / "output"


def main() -> None:
    comfy, python = host_from_environment()

    print("Making tiny models with random weights …")
    use_comfy(comfy)
    write_models(BASE / "models")
    references = write_references(BASE / "input")

    print("Starting ComfyUI …")
    arguments = () if torch.cuda.is_available() else ("--cpu",)
    with ComfyServer(BASE, comfy, python, arguments) as server:
        pictures = [draw(server, name) for name in ("two_subjects_uno",)]

    OUTPUT.mkdir(exist_ok=True)
    for file in references:
        shutil.copy(file, OUTPUT / f"reference_{file.name}")
    print(
        f"\nReferences: {', '.join(f'output/reference_{f.name}' for f in references)}\n"
        f"Pictures:   {', '.join(str(p.relative_to(ROOT)) for p in pictures)}\n\n"
        "The graph, the loaders, the sampler and the routing are the real ones; the weights are\n"
        "random, so what you see is noise. README.md tells which weights draw."
    )


def draw(server: ComfyServer, name: str) -> Path:
    """Queue workflows/api/<name>.json with small models and save its picture."""
    prompt = with_small_models(json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text()))
    with tqdm(desc=name, unit="step", total=0) as bar:

        def progress(node: str, step: int, steps: int) -> None:
            if prompt[node]["class_type"] == "KSampler":
                bar.total, bar.n = steps, step
                bar.refresh()

        try:
            result = server.run(prompt, progress)
        except Refused as error:
            sys.exit(f"ComfyUI did not draw {name}: {error}")
    ((image, *_), *_) = result.images.values()
    OUTPUT.mkdir(exist_ok=True)
    file = OUTPUT / f"{name}.png"
    file.write_bytes(image)
    return file
