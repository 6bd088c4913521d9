"""Keep graphs that torch.compile traced for other calls apart from ours.

Core's TorchCompileModel and others drop every guard on what hangs on a call, so that a graph traced
without our patches would pass for calls that have them. What they keep are guards on the global state:
we turn a switch of it that only autocast reads, and autocast only for speed. And torch itself drops
guards on hooks: a graph traced without a dual LoRA would pass for one with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


@contextmanager
def apart() -> Iterator[None]:
    before = torch.is_autocast_cache_enabled()
    dynamo = sys.modules.get("torch._dynamo")  # nobody compiles without it
    torch.set_autocast_cache_enabled(not before)
    try:
        with dynamo.config.patch(skip_nnmodule_hook_guards=False) if dynamo else nullcontext():
            yield
    finally:
        torch.set_autocast_cache_enabled(before)


def uncompiled() -> AbstractContextManager:
    """For what bakes in more than a mark can tell apart."""
    dynamo = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if dynamo else nullcontext()
