"""LoRA files: read safely, parsed by the host's own key map, checked against the model."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import comfy.lora
import comfy.lora_convert
import torch
from comfy.model_base import BaseModel
from comfy.weight_adapter.base import WeightAdapterBase
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ...musar_attention.lora import BRANCHES, FORMAT, VERSION
from .families import Family

PLAIN = "MUSAR Dual LoRA takes plain LoRAs only. Put it in Load LoRA, where it acts on all tokens."
DIFFERENCES = (".diff", ".diff_b", ".w_norm", ".b_norm", ".set_weight")  # the host keeps no list of these

log = logging.getLogger("musar")


@dataclass(frozen=True)
class Target:
    """The factors for one linear layer, or for a part of its outputs."""

    module: str  # its name in the host's model
    stream: str  # the tokens that it sees: text, image or joint
    columns: slice | None  # of the outputs; None = all
    down: Tensor  # [rank, inputs]
    up: Tensor  # [outputs, rank]
    scale: float


@dataclass(frozen=True)
class Branch:
    """One branch of the dual LoRA, as a user set it."""

    name: str  # subject or noise
    targets: list[Target]
    strength: float


def read_branches(
    subject: Path, noise: Path | None, strengths: dict[str, float], model: BaseModel, family: Family
) -> list[Branch]:
    """Both branches from one file or two; a file that holds both may also stand for one."""
    first = split_branches(read_file(subject), subject.name)
    second = first if noise in (None, subject) else split_branches(read_file(noise), noise.name)
    if "subject" not in first and strengths["subject"]:
        raise ValueError(f"{subject.name} holds a noise branch only. Choose it as noise_lora.")
    if noise is not None:
        if "noise" not in second and "" not in second and strengths["noise"]:
            raise ValueError(f"{noise.name} holds a subject branch only. Choose it as subject_lora.")
        second = {"noise": second.get("noise") or second.get("") or {}}
    states = {
        "subject": (first.get("subject", {}), subject),
        "noise": (second.get("noise", {}), noise or subject),
    }
    parsed: dict[int, list[Target]] = {}  # one file as both branches is held once
    for name, (state, file) in states.items():
        if state and strengths[name] and id(state) not in parsed:
            parsed[id(state)] = parse(state, model, family, file.name)
    return [
        Branch(name, parsed[id(state)], strengths[name])
        for name, (state, _) in states.items()
        if id(state) in parsed and strengths[name]
    ]


def read_file(path: Path, convert: str = "Convert it to safetensors.") -> dict[str, Tensor]:
    """The tensors of a safetensors file; ValueError says what is wrong, and how to `convert` a pickle."""
    name = path.name
    try:
        with safe_open(path, "pt") as file:
            version = (file.metadata() or {}).get(FORMAT, VERSION)
            state = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"PK" or start[:1] == b"\x80":
            raise ValueError(f"{name} is a pickle, which can run code when it is read. {convert}") from None
        raise ValueError(
            f"{name} is not a whole safetensors file ({error}). Download or export it again."
        ) from None
    if version != VERSION:
        raise ValueError(
            f"{name} is a MUSAR file of format {version}, and this version of the pack reads "
            f"{VERSION}. Update the pack."
        )
    if not state:
        raise ValueError(f"{name} holds no tensors. Download or export it again.")
    return state


def split_branches(state: dict[str, Tensor], name: str) -> dict[str, dict[str, Tensor]]:
    """The branches of a file by name. An ordinary LoRA is the subject branch, and '' as well."""
    split = {
        branch: {k.removeprefix(f"{branch}."): v for k, v in state.items() if k.startswith(f"{branch}.")}
        for branch in BRANCHES
    }
    split = {branch: part for branch, part in split.items() if part}
    if not split:
        return {"subject": state, "": state}
    other = [k for k in state if not k.startswith(tuple(f"{b}." for b in BRANCHES))]
    if other:
        log.warning("%s: ignored keys of neither branch: %s", name, _some(other))
    return split


def parse(state: dict[str, Tensor], model: BaseModel, family: Family, name: str) -> list[Target]:
    """Targets in the host's model, whatever the naming: PEFT, kohya, BFL, UNO."""
    family.check_lora(state, name)
    for key, value in state.items():
        if key.endswith(".alpha") and not (value.numel() == 1 and torch.isfinite(value.float()).all()):
            raise ValueError(f"{name} is broken: {key} is not one number. Export it again.")
    state = comfy.lora_convert.convert_lora(state)
    patches = comfy.lora.load_lora(state, comfy.lora.model_lora_keys_unet(model, {}), log_missing=False)
    known = {key for patch in patches.values() for key in getattr(patch, "loaded_keys", ())}
    targets, left_out = [], Counter()
    for key, patch in patches.items():
        weight, part, *_ = key if isinstance(key, tuple) else (key, None)  # norm_out has a function behind
        module = weight.removesuffix(".weight")
        stream = family.stream_of(module)
        if stream is None or isinstance(patch, tuple):
            left_out[re.sub(r"\.\d+\.", ".N.", module)] += 1
            continue
        targets.append(_target(patch, model.get_submodule(module), module, stream, part, name))
    if not targets:
        if any(re.search(r"down_blocks|input_blocks|lora_unet_mid_block", key) for key in state):
            raise ValueError(
                f"{name} is a LoRA for Stable Diffusion (SDXL or older). Choose one for {family.name}."
            )
        raise ValueError(
            f"{name} fits no linear layer of this {family.name} model; its keys look like {_some(state)}. "
            f"Choose a LoRA made for {family.name}."
        )
    if left_out:
        log.warning(
            "%s: left out what is no low-rank change of single tokens (norms, modulation, whole weights): %s",
            name,
            ", ".join(f"{n} × {module}" for module, n in left_out.items()),
        )
    unknown = sorted(k for k in state if k not in known and not k.endswith(DIFFERENCES))
    if unknown:
        log.warning("%s: ignored keys that this model does not have: %s", name, _some(unknown))
    return targets


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def _target(
    patch: WeightAdapterBase, layer: nn.Linear, module: str, stream: str, part: tuple | None, name: str
) -> Target:
    if patch.name != "lora":
        raise ValueError(f"{name} is of kind {patch.name}; {PLAIN}")
    up, down, alpha, *more = patch.weights  # mid, DoRA's scale, reshape
    if any(m is not None for m in more):
        raise ValueError(f"{name} is a LoCon, DoRA or control LoRA ({module}); {PLAIN}")
    if min(up.ndim, down.ndim) < 2 or not (up.is_floating_point() and down.is_floating_point()):
        raise ValueError(
            f"{name} is broken at {module}: factors are matrices of floats, found {up.dtype} "
            f"{[*up.shape]} and {down.dtype} {[*down.shape]}. Export it again."
        )
    up, down = up.flatten(1), down.flatten(1)
    rank = down.shape[0]
    columns = None if part is None else slice(part[1], part[1] + part[2])
    outputs = layer.out_features if part is None else part[2]
    if rank == 0:
        raise ValueError(f"{name} has rank 0 at {module}: the file is empty there. Export it again.")
    if up.shape[1] != rank:
        raise ValueError(
            f"{name} is broken at {module}: one factor has rank {rank}, the other {up.shape[1]}. Export "
            "it again."
        )
    if (up.shape[0], down.shape[1]) != (outputs, layer.in_features):
        raise ValueError(
            f"{name} does not fit the model: at {module} it maps {down.shape[1]} inputs to "
            f"{up.shape[0]} outputs, and the layer has {layer.in_features} and {outputs}. Choose a LoRA "
            "made for this model."
        )
    if not all(torch.isfinite(t.float()).all() for t in (up, down)):  # fp8 has no isfinite of its own
        raise ValueError(f"{name} holds values that are not numbers (at {module}). Download it again.")
    return Target(module, stream, columns, down, up, 1.0 if alpha is None else alpha / rank)
