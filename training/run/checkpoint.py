"""A checkpoint is one safetensors file, replaced in one stroke: a kill leaves the old one or the new."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_checkpoint(file: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    """`facts` is anything JSON can hold."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    save_file(tensors, part, {"facts": json.dumps(facts)})
    os.replace(part, file)


def load_checkpoint(file: Path) -> tuple[dict[str, Tensor], dict]:
    with safe_open(file, "pt") as f:
        facts = json.loads(f.metadata()["facts"])
        return {name: f.get_tensor(name) for name in f.keys()}, facts


def optimizer_tensors(state: dict) -> dict[str, Tensor]:
    """The tensors of optimizer.state_dict(), named by parameter and purpose."""
    return {
        f"{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Into a fresh optimizer, what optimizer_tensors gave of an old one."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for parameter, values in optimizer.state.items():  # fused steps want the parameter's own strides
        for name, value in values.items():
            if value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
