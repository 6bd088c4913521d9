"""Rules of evidence that were tried beside the core's, and what makes owners smooth.

share      S* over the sum of all subjects'
standard   centred, and divided by its spread: every layer speaks as loudly, and every subject
sharp      centred share, as loud as the layer tells the subjects apart
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from musar_attention import RULES, evidence

TRIED = (*RULES, "share", "standard", "sharp")
TINY = torch.finfo(torch.float32).tiny


def voice(here: Tensor, rule: str) -> Tensor:
    """What one layer's affinity [B,n,c] adds to the evidence."""
    if rule in RULES:
        return evidence(here, rule=rule)
    if rule == "standard":
        centred = evidence(here, rule="centred")
        return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(TINY)
    share = here / here.sum(-1, keepdim=True).clamp_min(TINY)
    if rule == "share" or here.shape[-1] < 2:
        return share
    first, second = share.topk(2, -1).values.unbind(-1)
    sharpness = (first - second).mean(1)[:, None, None]
    return sharpness * (share - share.mean(1, keepdim=True))


def smoothed(found: Tensor, target: tuple[int, int]) -> Tensor:
    """[B,n,c] -> the mean over each token and its neighbours in the picture of rows × columns."""
    grid = found.transpose(1, 2).unflatten(2, target)  # B n c -> B c h w
    mean = F.avg_pool2d(grid, 3, stride=1, padding=1, count_include_pad=False)
    return mean.flatten(2).transpose(1, 2)
