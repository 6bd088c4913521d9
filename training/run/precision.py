"""Where bfloat16 pays: a processor without instructions for it takes 70 times as long as in float32."""

from __future__ import annotations

import torch
from accelerate import PartialState
from torch import nn


def bf16_pays(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def precision_of(config: dict, base: nn.Module) -> str:
    """The config's, or `no` where bf16 does not pay, unless the base itself is kept in it."""
    device = PartialState(cpu=config["cpu"]).device
    kept = any(p.dtype == torch.bfloat16 for p in base.parameters())
    if config["precision"] == "no" or kept or bf16_pays(device):
        return config["precision"]
    if PartialState().is_main_process:
        print("precision: this processor has no arithmetic for bf16. The run computes in 32 bits.")
    return "no"
