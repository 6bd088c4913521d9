"""Rules of evidence that were tried beside the core's.

share      S* over the sum of all subjects'
standard   centred, and divided by its spread: every layer speaks as loudly, and every subject
"""

from __future__ import annotations

import torch
from torch import Tensor

from musar_attention import RULES, evidence

TRIED = (*RULES, "share", "standard")
TINY = torch.finfo(torch.float32).tiny


def voice(here: Tensor, rule: str) -> Tensor:
    """What one layer's affinity [B,n,c] adds to the evidence."""
    if rule in RULES:
        return evidence(here, rule=rule)
    if rule == "standard":
        centred = evidence(here, rule="centred")
        return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(TINY)
    return here / here.sum(-1, keepdim=True).clamp_min(TINY)
