"""Keep graphs that torch.compile traced without subjects apart from calls with them.

Core's TorchCompileModel and others drop every guard on what hangs on a call, so that a graph traced
without our patches would pass for calls that have them. What they keep are guards on the global state:
we turn a switch of it that only autocast reads, and autocast only for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def apart() -> Iterator[None]:
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(not before)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
