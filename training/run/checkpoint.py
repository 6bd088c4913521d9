"""A checkpoint is one safetensors file, replaced in one stroke: a kill leaves the old one or the new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tools.whole_file import save_whole

CHECKPOINT = "checkpoint.safetensors"  # in the run's folder
SET = ("lr", "initial_lr", "weight_decay", "eps")  # of an optimizer, by the config
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
    save_whole(_apart(tensors), file, {"facts": json.dumps(facts, default=str)})


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """No two in one memory, as bitsandbytes has its maps: the format forbids it."""
    found, seen = {}, set()
    for name, value in tensors.items():
        value = value.detach().contiguous()
        place = value.untyped_storage().data_ptr()
        found[name] = value.clone() if place in seen else value
        seen.add(place)
    return found


def load_checkpoint(file: Path) -> tuple[dict[str, Tensor], dict]:
    with _opened(file) as f:
        return {name: f.get_tensor(name) for name in f.keys()}, json.loads(f.metadata()["facts"])


def facts_of(file: Path) -> dict:
    """Without reading its tensors."""
    with _opened(file) as f:
        return json.loads(f.metadata()["facts"])


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, "pt") as f:
            yield f
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
    step = facts_of(file)["step"]
    return f"{file} is of step {step}: the same command goes on from there, as if it had not been stopped."


def optimizer_tensors(state: dict) -> dict[str, Tensor]:
    """The tensors of optimizer.state_dict(), named by parameter and purpose."""
    return {
        f"{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in _flat(values)
        if isinstance(value, Tensor)
    }


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """bitsandbytes wraps its tensors once more."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", v) for inner, v in _flat(value))
        else:
            yield name, value


def optimizer_numbers(state: dict) -> dict[str, Any]:
    """What else it remembers: Prodigy finds its rate in numbers of the group, bitsandbytes counts steps in
    plain ones. What the config sets is not among them."""
    return {
        "state": {str(i): _numbers(values) for i, values in state["state"].items() if _numbers(values)},
        "groups": [_numbers(group) for group in state["param_groups"]],
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {n: v for n, v in values.items() if type(v) in (int, float) and n not in SET}


def load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: Mapping[str, Any] | None = None
) -> None:
    """Into a fresh optimizer, what optimizer_tensors and optimizer_numbers gave of an old one."""
    numbers = numbers or {}
    state = {int(i): dict(values) for i, values in numbers.get("state", {}).items()}
    for key, value in tensors.items():
        index, *path, name = key.split(".")
        place = state.setdefault(int(index), {})
        for step in path:
            place = place.setdefault(step, {})
        place[name] = value
    groups = [dict(group) for group in optimizer.state_dict()["param_groups"]]
    for group, then in zip(groups, numbers.get("groups", [])):
        group.update(then)
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, values in optimizer.state.items():  # fused steps want the parameter's own strides
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
