"""The dual-branch LoRA: which tokens see which branch, and what it adds to a linear layer.

token              branch
T, extra           none (frozen)
X                  noise
CTi, CIi           subject
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from .layout import TokenLayout

BRANCHES = ("subject", "noise")
STREAMS = ("text", "image", "joint")
FORMAT, VERSION = "musar_format", "1"  # metadata of a file with both branches
TRAINED = "musar_trained"  # metadata: JSON of how it was trained


@dataclass(frozen=True)
class LowRank:
    """One pair of low-rank factors: adds `up(down(x)) · scale`."""

    down: Callable[[Tensor], Tensor]  # inputs -> rank
    up: Callable[[Tensor], Tensor]  # rank -> outputs
    scale: float
    columns: slice | None = None  # of the layer's outputs, where it is a part of a fused layer


def branch_rows(layout: TokenLayout, stream: str) -> dict[str, list[slice]]:
    """The rows of each branch among the tokens that a layer sees.

    A layer of the text stream sees T and every CT, one of the image stream X, every CI and extra,
    and one of a single block all of them joined.
    """
    if stream not in STREAMS:
        raise ValueError(f"stream is one of {', '.join(STREAMS)}; found {stream!r}.")
    first = layout.X.start if stream == "image" else 0
    texts = slice(layout.T.stop, layout.X.start)
    images = slice(layout.X.stop - first, layout.extra_slice.start - first)
    target = slice(layout.X.start - first, layout.X.stop - first)
    rows = {
        "text": {"subject": [texts], "noise": []},
        "image": {"subject": [images], "noise": [target]},
        "joint": {"subject": [texts, images], "noise": [target]},
    }[stream]
    return {branch: [s for s in slices if s.stop > s.start] for branch, slices in rows.items()}


def add_dual_lora(
    y: Tensor,
    x: Tensor,
    layout: TokenLayout,
    stream: str,
    branches: Mapping[str, Sequence[LowRank]],
) -> Tensor:
    """y [B,·,outputs] = layer(x [B,·,inputs]), with each branch added to its own rows, in place."""
    for pair, rows in _asked(branch_rows(layout, stream), branches):
        for part in rows:
            out = y[:, part] if pair.columns is None else y[:, part, pair.columns]
            out += pair.up(pair.down(x[:, part]) * pair.scale)
    return y


def _asked(
    rows: Mapping[str, list[slice]], branches: Mapping[str, Sequence[LowRank]]
) -> list[tuple[LowRank, list[slice]]]:
    """Each pair and its runs of rows: where both branches have the same one, it is asked once a run, for its
    weights may have to be brought to the device each time."""
    asked: list[tuple[LowRank, list[slice]]] = []
    for branch, parts in rows.items():
        for pair in branches.get(branch, ()):
            if pair.scale == 0:
                continue
            for known, runs in asked:
                if known == pair:
                    runs += parts
                    break
            else:
                asked.append((pair, list(parts)))
    return [(pair, _joined(runs)) for pair, runs in asked]


def _joined(parts: list[slice]) -> list[slice]:
    out: list[slice] = []
    for part in sorted(parts, key=lambda p: p.start):
        if out and out[-1].stop == part.start:
            out[-1] = slice(out[-1].start, part.stop)
        else:
            out.append(part)
    return out
