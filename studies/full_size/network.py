"""A network without its weights gets random ones, made on the device itself."""

from __future__ import annotations

import torch
from torch import nn

STD = 0.02
SEED = 7  # a run that goes on needs the base that it was begun with


@torch.no_grad()
def filled(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` is on meta. Norms scale by one, so that what goes through stays finite."""
    buffers = [name for name, _ in network.named_buffers()]
    if buffers:
        raise ValueError(f"The network keeps {', '.join(buffers)}, which random numbers cannot stand for.")
    network.to_empty(device=device)
    torch.manual_seed(SEED)
    for name, value in network.named_parameters():
        if value.dim() == 1 and name.endswith("weight"):
            value.fill_(1.0)
        else:
            value.normal_(std=STD)
    return network
