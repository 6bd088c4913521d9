"""What a run can be followed by: `tensorboard --logdir <output>/log`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

BANDS = 5  # of time, each as wide


class Log:
    """Figures of a step are noted as they come, and written when it ends. No folder: nothing is."""

    def __init__(self, folder: Path | None) -> None:
        self.writer = None if folder is None else _open(folder)
        self.noted: dict[str, list[float]] = defaultdict(list)

    def note(self, figures: Mapping[str, float | Tensor]) -> None:
        if self.writer:
            for name, value in figures.items():
                self.noted[name].append(float(value))

    def bands(self, times: Tensor, errors: Tensor) -> None:
        """Of this process's samples: times [B], squares [B,n,w]."""
        if self.writer:
            for time, loss in zip(times.tolist(), errors.mean((1, 2)).tolist()):
                low = min(int(time * BANDS), BANDS - 1) / BANDS
                self.note({f"loss by time/{low:.1f} to {low + 1 / BANDS:.1f}": loss})

    def step(self, number: int, seconds: float) -> None:
        if self.writer is None:
            return
        self.note({"seconds a step": seconds, "memory, GB": memory() / 1e9})
        for name, values in self.noted.items():
            self.writer.add_scalar(name, float(np.mean(values)), number)
        self.noted.clear()

    def picture(self, name: str, pixels: np.ndarray, number: int) -> None:
        """H W 3"""
        if self.writer:
            self.writer.add_image(name, pixels, number, dataformats="HWC")

    def close(self) -> None:
        """What was noted is in the file."""
        if self.writer:
            self.writer.close()


def memory() -> int:
    """Bytes: the most there was on the GPU, or what this process has where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return psutil.Process().memory_info().rss


def _open(folder: Path) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError("log: true needs the package tensorboard. Install it, or set log: false.") from None
    return SummaryWriter(folder / "log")
