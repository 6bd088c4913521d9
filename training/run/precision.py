"""Where bfloat16 pays: a processor without instructions for it takes 70 times as long as in float32."""

from __future__ import annotations

import torch
from accelerate import PartialState


def bf16_pays(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def precision_of(config: dict) -> str:
    """The config's, or `no` where bf16 does not pay."""
    device = PartialState(cpu=config["cpu"]).device
    if config["precision"] == "no" or bf16_pays(device):
        return config["precision"]
    if PartialState().is_main_process:
        print("precision: this processor has no arithmetic for bf16. The run computes in 32 bits.")
    return "no"
