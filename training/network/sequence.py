"""The joint sequence as diffusers' FLUX takes it: [T | CT1 … CTc] as text, [X | CI1 … CIc] as image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from musar_attention import SubjectTokens, TokenLayout, reference_ids

from .family import FLUX1, Family


@dataclass(frozen=True)
class Condition:
    """One subject, for a whole batch: its packed reference, and its condition prompt if it has one."""

    image: Tensor  # B (h w) w
    size: tuple[int, int]  # h, w: in tokens
    text: Tensor | None  # B · context
    phrase: tuple[int, ...]  # indices into T


@dataclass(frozen=True)
class Sequences:
    layout: TokenLayout
    text: Tensor
    conditions: Tensor  # every CI, to be put behind X
    image_ids: Tensor  # of X and every CI
    text_ids: Tensor


def grid_ids(size: tuple[int, int]) -> Tensor:
    """(h w) 3: plane, row, column."""
    ids = torch.zeros(*size, FLUX1.axes)
    ids[..., 1] = torch.arange(size[0])[:, None]
    ids[..., 2] = torch.arange(size[1])
    return ids.flatten(0, 1)


def join(
    prompt: Tensor,
    target: tuple[int, int],
    conditions: Sequence[Condition],
    positions: str = "diagonal",
    places: int = 0,
    family: Family = FLUX1,
) -> Sequences:
    """`prompt` is T's embeddings, B · context; `target` the picture's size in tokens."""
    layout = TokenLayout(
        prompt.shape[1],
        target,
        tuple(SubjectTokens(c.size, c.phrase, 0 if c.text is None else c.text.shape[1]) for c in conditions),
    )
    text = torch.cat([prompt, *[c.text for c in conditions if c.text is not None]], 1)
    own = grid_ids(target)
    placed = reference_ids(own[None], [grid_ids(c.size)[None] for c in conditions], positions, places)
    ids = torch.cat([own, *[p[0] for p in placed]])
    ids[:, 0] *= family.plane
    ids = F.pad(ids, (0, family.axes - FLUX1.axes))
    text_ids = torch.zeros(text.shape[1], family.axes)
    if family.axes > FLUX1.axes:
        text_ids[:, -1] = torch.arange(text.shape[1])
    images = [c.image for c in conditions] or [prompt.new_zeros(len(prompt), 0, family.width)]
    return Sequences(layout, text, torch.cat(images, 1), ids, text_ids)
