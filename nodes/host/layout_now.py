"""The layout that the model is running on right now, for hooks that are handed only a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ...musar_attention import TokenLayout

_layout: ContextVar[TokenLayout | None] = ContextVar("musar_layout", default=None)


@contextmanager
def laid_out(layout: TokenLayout) -> Iterator[None]:
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def layout_now() -> TokenLayout | None:
    """None where no subjects are being drawn."""
    return _layout.get()
