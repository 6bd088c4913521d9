"""Core's Flux KV Cache keeps one set of references' keys and values; here each conditioning has its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .memory import names_of

CACHE = "KV_Attn_Input"  # core's class, among the patches of attention


@contextmanager
def own_keys(options: dict, kept: dict[tuple, dict]) -> Iterator[None]:
    """What core's node keeps while this lasts belongs to the conditionings of this call alone.

    `kept` is of one run: whoever made it throws it away.
    """
    patches = options.get("patches", {}).get("attn1_patch", ())
    caches = [patch for patch in patches if type(patch).__name__ == CACHE]
    if caches and options.get("multigpu_thread_device") is not None:
        raise ValueError(
            "Flux KV Cache keeps what it keeps in one place, and MultiGPU CFG Split runs both sides at once. "
            "With MUSAR Routing take one of the two out."
        )
    others = [cache.cache for cache in caches]
    for place, cache in enumerate(caches):
        cache.cache = kept.setdefault((place, *names_of(options)), {})
    try:
        yield
    finally:
        for cache, other in zip(caches, others):
            cache.cache = other
