"""One run of the trainer, and what it took beside what was estimated."""

from __future__ import annotations

import platform
import resource
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from training.estimate import GB, WIRING, Case, Estimate, estimate, one_gpu
from training.network.model import Trained, Variant
from training.run.trainer import Trainer
from training.train import learning

from ..device import DEVICE
from .examples import RandomExamples
from .network import filled

WARM = 3  # steps that are not timed: the first ones choose kernels and fill the allocator


class Unsaved(Trainer):
    """For a run that only measures: a checkpoint of full size takes longer than its steps."""

    def save(self) -> None:
        pass


def measure(build: Callable[[], nn.Module], config: dict, case: Case, folder: Path, save: bool) -> dict:
    """`build` gives the network on meta. The run goes on where `folder` has a checkpoint."""
    counted, needed = expected(build(), case, config)
    base = filled(build(), torch.device("cpu") if config.get("quantise") else DEVICE)
    kind = Trainer if save else Unsaved
    trainer = kind(config, learning(base, config), RandomExamples(base, case), folder)
    ends, losses = [0.0], []

    def each_step(trainer: Trainer, loss: float) -> None:
        ends.append(trainer.seconds)
        losses.append(loss)

    trainer.run(each_step)
    if not losses:
        raise ValueError(
            f"{trainer.checkpoint} is of step {trainer.step} already: nothing is left to measure. Ask for "
            "more --steps, or give another --folder."
        )
    times = [b - a for a, b in zip(ends, ends[1:])]
    times = times[min(WARM, len(times) - 1) :]
    seconds = statistics.median(times)
    return {
        "device": device_name(),
        "sample": case.name,
        "tokens": counted.tokens,
        "first step": trainer.step - len(losses) + 1,
        "steps": len(losses),
        "timed": len(times),
        "seconds a step": round(seconds, 4),
        "TFLOP a step": round(counted.step / 1e12, 2),
        "TFLOPS": round(counted.step / 1e12 / seconds, 2),
        "peak, GB": round(peak() / GB, 3),
        "estimated, GB": round(needed / GB, 3),
        "peak / estimated": round(peak() / needed, 3),
        "loss": [round(losses[0], 4), round(losses[-1], 4)],
    }


def expected(network: nn.Module, case: Case, config: dict) -> tuple[Estimate, float]:
    """Arithmetic, and bytes on one GPU: of full attention, as training/estimate.py counts."""
    ranks = config["variant"]["ranks"]
    model = Trained(network, Variant(static=False, dynamic=False, ranks=ranks), WIRING)
    counted = estimate(model, case)
    return counted, one_gpu(model, counted, config.get("quantise"))


def peak() -> int:
    """Bytes: the most there was on the GPU, or that this process had."""
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_name() -> str:
    if DEVICE.type == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}, {threads} thread{'s' * (threads > 1)})"
