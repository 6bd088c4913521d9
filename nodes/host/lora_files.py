"""LoRA files: read safely, parsed by the host's own key map, checked against the model."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import comfy.lora
import comfy.lora_convert
import torch
from comfy.model_base import BaseModel
from comfy.weight_adapter.base import WeightAdapterBase
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

FORMAT = "musar_format"  # metadata of a file with both branches
VERSION = "1"
BRANCH_PREFIXES = ("subject.", "noise.")
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


def read_file(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; ValueError says what is wrong with it."""
    name = Path(path).name
    try:
        with safe_open(path, "pt") as file:
            version = (file.metadata() or {}).get(FORMAT, VERSION)
            state = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        start = Path(path).read_bytes()[:2]
        if start == b"PK" or start[:1] == b"\x80":
            raise ValueError(
                f"{name} is a pickle, which can run code when it is read. Convert it to safetensors."
            ) from None
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


def split_branches(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]] | None:
    """{'subject': …, 'noise': …} of a file that holds both branches; None for an ordinary LoRA."""
    if not all(key.startswith(BRANCH_PREFIXES) for key in state):
        return None
    return {
        prefix.rstrip("."): {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        for prefix in BRANCH_PREFIXES
    }


def parse(state: dict[str, Tensor], model: BaseModel, name: str) -> list[Target]:
    """Targets in the host's FLUX model, whatever the naming: PEFT, kohya, BFL, UNO."""
    _refuse_unusable(state, name)
    state = comfy.lora_convert.convert_lora(state)
    patches = comfy.lora.load_lora(state, comfy.lora.model_lora_keys_unet(model, {}), log_missing=False)
    known = {key for patch in patches.values() for key in getattr(patch, "loaded_keys", ())}
    targets, left_out = [], Counter()
    for key, patch in patches.items():
        weight, part = key if isinstance(key, tuple) else (key, None)
        module = weight.removesuffix(".weight")
        stream = stream_of(module)
        if stream is None or isinstance(patch, tuple):
            left_out[re.sub(r"\.\d+\.", ".N.", module)] += 1
            continue
        targets.append(_target(patch, model.get_submodule(module), module, stream, part, name))
    if not targets:
        some = ", ".join(list(state)[:3])
        raise ValueError(
            f"{name} fits no layer of this FLUX model; its keys look like {some}. Choose a LoRA made "
            "for FLUX.1."
        )
    if left_out:
        log.warning(
            "%s: left out what does not act on single tokens (norms, modulation): %s",
            name,
            ", ".join(f"{n} × {module}" for module, n in left_out.items()),
        )
    unknown = sorted(k for k in state if k not in known and not k.endswith(DIFFERENCES))
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        log.warning(
            "%s: ignored keys that this model does not have: %s%s", name, ", ".join(unknown[:5]), more
        )
    return targets


def stream_of(module: str) -> str | None:
    """Which tokens a linear layer of the host's FLUX sees; None = not tokens."""
    name = module.removeprefix("diffusion_model.")
    for pattern, stream in (
        (r"double_blocks\.\d+\.txt_(attn\.(qkv|proj)|mlp\.\d)|txt_in", "text"),
        (r"double_blocks\.\d+\.img_(attn\.(qkv|proj)|mlp\.\d)|img_in|final_layer\.linear", "image"),
        (r"single_blocks\.\d+\.linear[12]", "joint"),
    ):
        if re.fullmatch(pattern, name):
            return stream
    return None


def _target(
    patch: WeightAdapterBase, layer: nn.Linear, module: str, stream: str, part: tuple | None, name: str
) -> Target:
    if patch.name != "lora":
        raise ValueError(f"{name} is of kind {patch.name}; MUSAR Dual LoRA takes plain LoRAs only.")
    up, down, alpha, mid, dora, reshape = patch.weights
    if mid is not None or dora is not None or reshape is not None:
        raise ValueError(
            f"{name} is a LoCon, DoRA or control LoRA ({module}); MUSAR Dual LoRA takes plain LoRAs only."
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
    if not (torch.isfinite(up).all() and torch.isfinite(down).all()):
        raise ValueError(f"{name} holds values that are not numbers (at {module}). Download it again.")
    return Target(module, stream, columns, down, up, 1.0 if alpha is None else alpha / rank)


def _refuse_unusable(state: dict[str, Tensor], name: str) -> None:
    """Published files that nothing here can use, by the name of their project."""
    keys = "\n".join(state)
    if re.search(r"^dreamo_|^double_blocks_\d+\.processor", keys, re.MULTILINE):
        raise ValueError(
            f"{name} is a DreamO file, whose key names ComfyUI does not read. Rename its keys from "
            "double_blocks_0.… to double_blocks.0.… (UNO's naming), or use UNO."
        )
    if re.search(r"processor\.[qkv]_loras\.\d", keys):
        raise ValueError(
            f"{name} is an EasyControl file: its LoRAs belong to attention processors that only "
            "EasyControl's own nodes run. Use those, or UNO."
        )
    if re.search(r"down_blocks|input_blocks|lora_te2|lora_unet_mid_block", keys):
        raise ValueError(f"{name} is a LoRA for Stable Diffusion (SDXL or older). Choose one for FLUX.1.")
