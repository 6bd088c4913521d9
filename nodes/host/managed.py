"""Weights of our own beside the model's, which the host counts and moves like its own."""

from __future__ import annotations

import comfy.model_patcher
from comfy.model_patcher import ModelPatcher
from torch import nn


def managed(held: nn.Module, model: ModelPatcher, node: str) -> ModelPatcher:
    """For set_additional_models."""
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)  # the kind core uses now
    weights = patcher(held, model.load_device, model.offload_device)
    weights.cached_patcher_init = _one_gpu, (node,)  # whom the host asks for a copy on another GPU
    return weights


def _one_gpu(node: str, **options: object) -> None:
    raise RuntimeError(  # Select Model Device expects this one, and leaves the model where it is
        f"{node} works on one GPU. Put Select Model Device before it, and take MultiGPU CFG Split out."
    )
