"""FSDP where the memory is: the frozen base is spread over the GPUs, the small LoRA is on each."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from .model import Trained


def shard(model: Trained, accelerator: Accelerator) -> Trained:
    """Each block's weights come together while it runs."""
    if accelerator.num_processes < 2:
        raise ValueError(
            "shard: true spreads the base over several GPUs, and this run has one process. Start it with "
            "accelerate launch --num_processes N, or set shard: false."
        )
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    flux = model.flux
    for block in (*flux.transformer_blocks, *flux.single_transformer_blocks):
        fully_shard(block, mesh=mesh)
    fully_shard(flux, mesh=mesh)
    model.lora.to(accelerator.device)
    return model


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Over the processes; a factor that one of them did not use counts there as zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
        parameter.grad /= dist.get_world_size()
