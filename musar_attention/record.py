"""What routing decided, kept small: who owned each target token, and how strongly it was named."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .leak import Leak


@dataclass(frozen=True)
class StepRecord:
    """One step, averaged over the layers that routed."""

    owned: Tensor  # uint8 [B,n,c]: share of layers in which the token was subject k's, of 255
    affinity: Tensor  # float16 [B,n,c]: S*
    leak: Leak | None = None  # where it was measured


def owner_of(owned: Tensor) -> Tensor:
    """Shares [...,n,c] of 255 -> int64 [...,n]: the owner in most layers; −1 = nobody in most of them."""
    nobody = 255 - owned.sum(-1, keepdim=True, dtype=torch.float32)
    return torch.cat([nobody, owned.float()], -1).argmax(-1) - 1


class Tally:
    """Adds up the layers of one model call: `name`, then `own`, in each."""

    def __init__(self) -> None:
        self.layers = 0
        self.owned: Tensor | None = None
        self.affinity: Tensor | None = None
        self.leak: Leak | None = None

    def name(self, affinity: Tensor) -> None:
        """[B,n,c] as `affinity` gives it."""
        self.affinity = affinity if self.affinity is None else self.affinity + affinity

    def own(self, owner: Tensor) -> None:
        """[B,n]"""
        own = owner[..., None] == torch.arange(self.affinity.shape[-1], device=owner.device)
        self.owned = own.to(torch.int16) if self.owned is None else self.owned + own
        self.layers += 1

    def result(self, rows: slice = slice(None)) -> StepRecord | None:
        """The means, of these samples of the batch; None if no layer was routed."""
        if self.layers == 0:
            return None
        owned = (self.owned[rows].float() * (255 / self.layers)).round().to(torch.uint8)
        affinity = (self.affinity[rows] / self.layers).to(torch.float16)
        return StepRecord(owned.cpu(), affinity.cpu(), self.leak and self.leak.rows(rows))
