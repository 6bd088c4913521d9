"""TensorBoard's log of a run: `tensorboard --logdir <output>/log`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def open_log(folder: Path) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError("log: true needs the package tensorboard. Install it, or set log: false.") from None
    return SummaryWriter(folder / "log")
