"""Put finished weights into demo/models/, with a page that says how each was made."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.comfy_server import ROOT

from .loop import Run

PAGE = "README.md"


@dataclass(frozen=True)
class Made:
    """One file, and the words for how it came to be."""

    file: Path
    what: str
    how: str


def publish(weights: dict[str, Tensor], file: Path, dtype: torch.dtype) -> Path:
    """`dtype` is of what has a fraction: numbers of words would not survive it."""
    as_kept = {n: t.to(dtype) if t.is_floating_point() else t for n, t in weights.items()}
    save_file({n: t.contiguous() for n, t in as_kept.items()}, file)
    return file


def how_trained(run: Run, seed: int) -> str:
    batch = run.settings["batch"]
    last = ", ".join(f"{name} {value:.4f}" for name, value in run.losses[-1].items() if name != "loss")
    return (
        f"seed {seed}; {run.step:,} steps of {batch}, which is {run.step * batch:,} samples; "
        f"{run.seconds / 60:.0f} minutes on {run.machine}, "
        f"torch {torch.__version__.split('+')[0]}; "
        f"last losses: {last}"
    )


def write_page(
    folder: Path, made: list[Made], settings: Path, command: str, measured: str = "sprites.md"
) -> None:
    """`measured`: the page of docs/ that says what they can do."""
    told, docs = (os.path.relpath(file, folder) for file in (settings, ROOT / "docs" / measured))
    total = sum(m.file.stat().st_size for m in made) / 1e6
    lines = [
        "# The models of Sprites",
        "",
        f"Made by `{command}` with the settings in [{settings.name}]({told}),",
        "from seeds and from nothing else: every picture they learned from is drawn by `sprites/world/`. On",
        "another machine the same command gives weights as good as these, not the same bits.",
        f"What they can do is measured in [docs/{measured}]({docs}). Together {total:.1f} MB.",
        "",
    ]
    for m in made:
        digest = hashlib.sha256(m.file.read_bytes()).hexdigest()
        lines += [
            f"## {m.file.name}",
            "",
            f"{m.what} {m.file.stat().st_size / 1e6:.1f} MB.",
            "",
            f"- made: {m.how}",
            f"- sha256: `{digest}`",
            "",
        ]
    (folder / PAGE).write_text("\n".join(lines))
