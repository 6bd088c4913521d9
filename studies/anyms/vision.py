"""Train the vision encoder: from a reference to its kind and the colours of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from anyms_attention import pooled_by_probe
from sprites.comfy_pack.looks import PREFIX, Looks, load_looks
from sprites.world.identity import sprite
from sprites.world.kinds import KINDS, SIDE
from sprites.world.palette import INK, PAPER, SUBJECTS, picture
from sprites.world.scene import pick_identity, reference
from training.data.sprites import CORNERS

from ..base_model.loop import Losses, Run

COLOURS = (*range(SUBJECTS), INK, PAPER)  # of a cell: a subject's, ink, or what is behind
NOISE = 0.03  # of the pixels


class Head(nn.Module):
    """SigLIP's pooling head, by its names: a probe reads the hidden states, then a small network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.randn(1, 1, width))
        self.attention = nn.MultiheadAttention(width, 16, batch_first=True)  # its weights alone are used
        self.layernorm = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, states: Tensor) -> Tensor:
        return pooled_by_probe(states, dict(self.named_parameters()))


class Reader(nn.Module):
    """The encoder with its head, and what it is asked while it learns."""

    def __init__(self, settings: dict) -> None:
        super().__init__()
        torch.manual_seed(settings["seed"])
        width = settings["width"]
        self.looks, self.head = Looks(width, settings["layers"]), Head(width)
        self.kind = nn.Linear(width, len(KINDS))
        self.cells = nn.Linear(width, SIDE**2 * len(COLOURS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Kinds [B,12] and colours [B,36,14]."""
        pooled = self.head(self.looks(images))
        return self.kind(pooled), self.cells(pooled).unflatten(1, (SIDE**2, -1))


@dataclass(frozen=True)
class Seen:
    """Pictures [B,64,64,3], and the truth."""

    images: Tensor
    kinds: Tensor
    cells: Tensor


def references(rng: np.random.Generator, count: int, held: bool = False) -> Seen:
    images, kinds, cells = [], [], []
    for _ in range(count):
        kind = KINDS[rng.integers(len(KINDS))]
        identity = pick_identity(rng, kind, held)
        images.append(picture(reference(kind, identity, *rng.choice(CORNERS, 2))))
        kinds.append(KINDS.index(kind))
        shown = sprite(kind, identity).flatten()
        cells.append([COLOURS.index(PAPER if colour < 0 else colour) for colour in shown])
    return Seen(torch.from_numpy(np.stack(images)).float() / 255, torch.tensor(kinds), torch.tensor(cells))


def train_vision(settings: dict, checkpoint: Path) -> Run:
    reader = Reader(settings)

    def losses(step: int) -> Losses:
        rng = np.random.default_rng((settings["seed"], step))
        seen = references(rng, settings["batch"])
        noise = torch.from_numpy(rng.standard_normal(seen.images.shape)).float()
        kinds, cells = reader(seen.images + NOISE * noise)
        kind = F.cross_entropy(kinds.float(), seen.kinds)
        cell = F.cross_entropy(cells.float().flatten(0, 1), seen.cells.flatten())
        return {"loss": kind + 4 * cell, "kind": kind, "cell": cell}

    run = Run({"reader": reader}, settings)
    run.go("vision encoder", losses, checkpoint)
    return run


def encoder_file(average: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is published: the encoder, and its head where SigLIP has its own."""
    parts = {"looks.": PREFIX, "head.": f"{PREFIX}head."}
    return {
        new + name.removeprefix(old): value
        for name, value in average.items()
        for old, new in parts.items()
        if name.startswith(old)
    }


class Embed:
    """Pictures to pooled embeddings, by a published file."""

    def __init__(self, file: Path) -> None:
        state = load_file(file)
        self.looks = load_looks(state)
        start = f"{PREFIX}head."
        self.head = {k.removeprefix(start): v.float() for k, v in state.items() if k.startswith(start)}

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """[B,64,64,3] -> [B,e]"""
        return pooled_by_probe(self.looks(images), self.head)


@torch.no_grad()
def read_right(run: Run, count: int = 400) -> tuple[float, float]:
    """Of looks never trained on: kinds told right, and cells."""
    reader = Reader(run.settings)
    reader.load_state_dict(run.average)
    seen = references(np.random.default_rng(1), count, held=True)
    kinds, cells = reader.eval()(seen.images)
    return (
        float((kinds.argmax(-1) == seen.kinds).float().mean()),
        float((cells.argmax(-1) == seen.cells).float().mean()),
    )
