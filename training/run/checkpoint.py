"""A checkpoint is one safetensors file, replaced in one stroke: a kill leaves the old one or the new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tools.whole_file import save_whole

CHECKPOINT = "checkpoint.safetensors"  # in the run's folder
DECIDES = (  # of a config: what a run cannot change on its way and stay one run
    "base",
    "quantise",
    "data",
    "pixels",
    "seed",
    "variant",
    "wiring",
    "batch",
    "optimizer",
    "time",
    "drop",
    "condition_prompts",
    "another_in_phrase",
)


def save_checkpoint(file: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    """`facts` is anything JSON can hold. ValueError where the disk is full: the old one survives."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    save_whole(tensors, file, {"facts": json.dumps(facts, default=str)})


def load_checkpoint(file: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        with safe_open(file, "pt") as f:
            facts = json.loads(f.metadata()["facts"])
            return {name: f.get_tensor(name) for name in f.keys()}, facts
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is cut off or no checkpoint ({error}). Put a whole copy in its place, or move it away "
            "to begin anew."
        ) from None


def same_run(file: Path, then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
    """ValueError if the checkpoint is of a run with other settings. An old one may not know its own."""
    now = json.loads(json.dumps(now, default=str))  # as a file has it
    for name in DECIDES if then else ():
        was, is_now = then.get(name), now.get(name)
        if (was or None) != (is_now or None):  # what was not there yet is off
            raise ValueError(
                f"{file} is of a run with {name}: {was}, and now {name} is {is_now}. Give the settings it "
                "was begun with, or another --output."
            )


def how_to_go_on(folder: Path) -> str:
    file = folder / CHECKPOINT
    if not file.exists():
        return "No checkpoint was written yet: the same command begins anew."
    step = load_checkpoint(file)[1]["step"]
    return f"{file} is of step {step}: the same command goes on from there, as if it had not been stopped."


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
