"""The dual LoRA on the host's model: hooks on its linear layers, weights under its memory manager."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import comfy.ops
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import PatcherInjection, WrappersMP
from torch import Tensor, nn

from ...musar_attention import LowRank, TokenLayout, add_dual_lora
from .keys import WRAPPER
from .lora_files import Target

_layout: ContextVar[TokenLayout | None] = ContextVar("musar_layout", default=None)


@contextmanager
def laid_out(layout: TokenLayout) -> Iterator[None]:
    """While the model runs on this layout, branches act; at all other times they do not."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


class _Pair(nn.Module):
    """down and up as layers of the host, which casts and moves their weights as it must."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.down, self.up = (_linear(weight) for weight in (target.down, target.up))


def _linear(weight: Tensor) -> nn.Module:
    outputs, inputs = weight.shape
    layer = comfy.ops.manual_cast.Linear(inputs, outputs, bias=False, device="meta", dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return layer


def add_branches(
    model: ModelPatcher, branches: dict[str, tuple[list[Target], float]], routing: Callable
) -> ModelPatcher:
    """A clone of the model with branches {'subject': (targets, strength), 'noise': …} on it.

    `routing` lays the sequence out where no MUSAR Routing does.
    """
    holder, layers = nn.Module(), defaultdict(lambda: defaultdict(list))
    holder.pairs = nn.ModuleList()
    for branch, (targets, strength) in branches.items():
        for target in targets if strength else ():
            pair = _Pair(target)
            holder.pairs.append(pair)
            low_rank = LowRank(pair.down, pair.up, target.scale * strength, target.columns)
            layers[target.module, target.stream][branch].append(low_rank)
    if not layers:
        return model
    holder.dtype = next(holder.parameters()).dtype
    weights = ModelPatcher(holder, model.load_device, model.offload_device)

    patched = model.clone()
    key = f"musar_lora_{uuid.uuid4().hex}"  # the host takes clones with equal keys for the same model
    patched.set_additional_models(key, [weights])
    patched.set_injections(key, [_injection(layers)])
    if not patched.get_wrappers(WrappersMP.DIFFUSION_MODEL, WRAPPER):
        patched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, WRAPPER, routing)
    return patched


def _injection(layers: dict) -> PatcherInjection:
    handles = []

    def inject(patcher: ModelPatcher) -> None:
        for (module, stream), branches in layers.items():
            layer = patcher.model.get_submodule(module)
            handles.append(layer.register_forward_hook(_hook(stream, branches)))

    def eject(patcher: ModelPatcher) -> None:
        while handles:
            handles.pop().remove()

    return PatcherInjection(inject, eject)


def _hook(stream: str, branches: dict) -> Callable:
    def add(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        layout = _layout.get()
        if layout is not None:
            add_dual_lora(output, inputs[0], layout, stream, branches)

    return add
