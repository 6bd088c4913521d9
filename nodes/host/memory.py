"""From step to step: the evidence that a conditioning's last step ended with begins the next one."""

from __future__ import annotations

import torch
from torch import Tensor


class Memory:
    """Of one run: whoever made it throws it away."""

    def __init__(self) -> None:
        self.kept: dict[tuple, Tensor] = {}  # conditioning: [B,n,c]
        self.layers: dict[tuple, int] = {}  # the most that a call of it routed

    def recall(self, options: dict, shape: tuple[int, int, int]) -> Tensor | None:
        """Evidence of this shape for the conditionings of this call; None where one of them is new, or its
        pictures were of another size or number."""
        parts = [self.kept.get(name) for name in names_of(options)]
        if any(part is None for part in parts):
            return None
        sizes = {part.shape[1:] for part in parts}
        return torch.cat(parts) if sizes == {shape[1:]} and sum(map(len, parts)) == shape[0] else None

    def keep(self, options: dict, found: Tensor, layers: int) -> None:
        """Of a call that routed so many layers: one that leaves some out, as Skip Layer Guidance does, is
        forgotten."""
        names = names_of(options)
        for name, part in zip(names, found.chunk(len(names))):
            if layers >= self.layers.get(name, 0):
                self.kept[name], self.layers[name] = part, layers


def names_of(options: dict) -> list[tuple]:
    """Of the conditionings that share this call's batch, in its order: their side, and the host's ids. An
    area's conditioning stands on both sides under one id."""
    sides = options.get("cond_or_uncond") or [0]
    return list(zip(sides, options.get("uuids") or sides))
