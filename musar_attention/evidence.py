"""What speaks for each subject at each target token, gathered layer by layer.

The paper's layer decides by its own affinity S*. Gathered over the layers of a step, those that cannot
tell the subjects apart follow those that can. What a layer adds:

raw        S* as it is
centred    S* less each subject's mean over the picture: a liking for one phrase that is the same
           everywhere adds nothing, however large
sharp      each subject's share of S*, centred, times the layer's mean lead of the first share over the
           second. A liking that is the same everywhere still adds nothing, but what it leaves is louder
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RULES = RAW, CENTRED, SHARP = "raw", "centred", "sharp"


def evidence(here: Tensor, before: Tensor | None = None, rule: str = RAW) -> Tensor:
    """A layer's affinity [B,n,c], and the evidence of the layers before it -> the evidence with it."""
    if rule not in RULES:
        raise ValueError(f"The rule of evidence is one of {', '.join(RULES)}; found {rule!r}.")
    added = here
    if rule == SHARP:
        share = here / here.sum(-1, keepdim=True).clamp_min(torch.finfo(here.dtype).tiny)
        added = _lead(share) * (share - share.mean(1, keepdim=True))
    if rule == CENTRED:
        added = here - here.mean(1, keepdim=True)
    return added if before is None else before + added


def _lead(share: Tensor) -> Tensor:
    """[B,n,c] -> [B,1,1]; nobody leads alone."""
    if share.shape[-1] < 2:
        return share.new_zeros(len(share), 1, 1)
    first, second = share.topk(2, -1).values.unbind(-1)
    return (first - second).mean(1)[:, None, None]


def smoothed(found: Tensor, target: tuple[int, int]) -> Tensor:
    """Evidence [B,n,c] -> the mean over each token and its neighbours in the picture of rows × columns."""
    grid = found.transpose(1, 2).unflatten(2, target)  # B c h w
    mean = F.avg_pool2d(grid, 3, stride=1, padding=1, count_include_pad=False)
    return mean.flatten(2).transpose(1, 2)
