"""What speaks for each subject at each target token, gathered layer by layer.

The paper's layer decides by its own affinity S*. Gathered over the layers of a step, those that cannot
tell the subjects apart follow those that can. What a layer adds:

raw        S* as it is
centred    S* minus each subject's mean over the picture: a liking for one phrase that is the same
           everywhere adds nothing, however large
share      S* over the sum of all subjects'
standard   centred, and divided by its spread: every layer speaks as loudly, and every subject
sharp      centred share, as loud as the layer tells the subjects apart
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RULES = ("raw", "centred", "share", "standard", "sharp")
TINY = torch.finfo(torch.float32).tiny


def evidence(here: Tensor, before: Tensor | None = None, rule: str = "raw") -> Tensor:
    """A layer's affinity [B,n,c], and the evidence of the layers before it -> the evidence with it."""
    added = voice(here, rule)
    return added if before is None else before + added


def voice(here: Tensor, rule: str) -> Tensor:
    """What one layer's affinity [B,n,c] adds to the evidence."""
    if rule not in RULES:
        raise ValueError(f"The rule of evidence is one of {', '.join(RULES)}; found {rule!r}.")
    if rule == "raw":
        return here
    if rule in ("centred", "standard"):
        centred = here - here.mean(1, keepdim=True)
        if rule == "centred":
            return centred
        return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(TINY)
    share = here / here.sum(-1, keepdim=True).clamp_min(TINY)
    if rule == "share" or here.shape[-1] < 2:
        return share
    first, second = share.topk(2, -1).values.unbind(-1)
    sharpness = (first - second).mean(1)[:, None, None]
    return sharpness * (share - share.mean(1, keepdim=True))


def smoothed(evidence: Tensor, target: tuple[int, int]) -> Tensor:
    """[B,n,c] -> the mean over each token and its neighbours in the picture of rows × columns."""
    rows, columns = target
    grid = evidence.transpose(1, 2).unflatten(2, (rows, columns))  # B n c -> B c h w
    mean = F.avg_pool2d(grid, 3, stride=1, padding=1, count_include_pad=False)
    return mean.flatten(2).transpose(1, 2)
