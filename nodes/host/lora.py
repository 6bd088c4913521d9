"""The dual LoRA on the host's model: hooks on its linear layers, weights under its memory manager."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence

import comfy.ops
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import PatcherInjection, WrappersMP
from torch import Tensor, nn

from ...musar_attention import LowRank, add_dual_lora
from .families import Family
from .keys import WRAPPER
from .layout_now import layout_now
from .lora_files import Branch, Target
from .managed import managed
from .settings import OFF
from .wrapper import Routing, put_on


class _Pair(nn.Module):
    """down and up as layers of the host, which casts and moves their weights as it must."""

    def __init__(self, target: Target, dtype: torch.dtype) -> None:
        super().__init__()
        self.down, self.up = (_linear(weight, dtype) for weight in (target.down, target.up))


def _linear(weight: Tensor, dtype: torch.dtype) -> nn.Module:
    """Never wider than the model computes, in which it would be cast in every call."""
    weight = weight.to(dtype) if weight.dtype.itemsize > dtype.itemsize > 1 else weight
    outputs, inputs = weight.shape
    layer = comfy.ops.manual_cast.Linear(inputs, outputs, bias=False, device="meta", dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return layer


def add_branches(model: ModelPatcher, branches: Sequence[Branch], family: Family) -> ModelPatcher:
    """A clone of the model with the branches on it; the model itself if none has any strength."""
    holder, layers = nn.Module(), defaultdict(lambda: defaultdict(list))
    pairs: dict[int, _Pair] = {}  # by target: both branches may have the same
    dtype = model.model.get_dtype_inference()
    for branch in branches:
        for target in branch.targets if branch.strength else ():
            if id(target) not in pairs:
                pairs[id(target)] = _Pair(target, dtype)
            pair = pairs[id(target)]
            low_rank = LowRank(pair.down, pair.up, target.scale * branch.strength, target.columns)
            layers[target.module, target.stream][branch.name].append(low_rank)
    if not layers:
        return model
    holder.pairs = nn.ModuleList(pairs.values())
    weights = managed(holder, model, "MUSAR Dual LoRA")

    patched = model.clone()
    key = f"musar_lora_{uuid.uuid4().hex}"  # the host takes clones with equal keys for the same model
    patched.set_additional_models(key, [weights])
    patched.set_injections(key, [_injection(layers)])
    if not patched.get_wrappers(WrappersMP.DIFFUSION_MODEL, WRAPPER):
        put_on(patched, Routing(OFF, family))
    return patched


def _injection(layers: dict) -> PatcherInjection:
    """Hooks on while a patcher is loaded. Clones share this: each takes off what it put on."""
    handles: dict[int, list] = {}

    def inject(patcher: ModelPatcher) -> None:
        found = []  # all of them before the first hook: half of a LoRA must not stay behind
        for (module, stream), branches in layers.items():
            try:
                found.append((patcher.model.get_submodule(module), stream, branches))
            except AttributeError:
                raise RuntimeError(
                    f"MUSAR Dual LoRA finds no layer {module}: another node replaced that block. "
                    "Remove that node."
                ) from None
        handles[id(patcher)] = [layer.register_forward_hook(_hook(s, b)) for layer, s, b in found]

    def eject(patcher: ModelPatcher) -> None:
        for handle in handles.pop(id(patcher), ()):
            handle.remove()

    return PatcherInjection(inject, eject)


def _hook(stream: str, branches: dict[str, list[LowRank]]) -> Callable:
    def add(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        layout = layout_now()
        if layout is not None:
            add_dual_lora(output, inputs[0], layout, stream, branches)

    return add
