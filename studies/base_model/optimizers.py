"""What makes the base models learn: AdamW, and Muon for the matrices of the blocks where settings ask for it.

Muon needs a third of the steps fewer here, and its own arithmetic costs a quarter of a step.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.optim import AdamW, Muon, Optimizer


def optimizers(modules: Mapping[str, nn.Module], settings: Mapping) -> list[Optimizer]:
    rate, muon = settings["learning_rate"], settings.get("optimizer", "adamw") == "muon"
    every = [(n, p) for m in modules.values() for n, p in m.named_parameters() if p.requires_grad]
    matrices = [p for n, p in every if muon and p.ndim == 2 and "transformer_blocks" in n]
    taken = {id(p) for p in matrices}
    rest = [p for _, p in every if id(p) not in taken]
    found: list[Optimizer] = [AdamW(rest, rate, (0.9, 0.95), weight_decay=0.0, fused=True)]
    if matrices:
        found.append(Muon(matrices, rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))
    return found


def parts_of(found: list[Optimizer]) -> dict[str, Optimizer]:
    """By their names in a checkpoint."""
    return {f"optimizer{i or ''}": optimizer for i, optimizer in enumerate(found)}
