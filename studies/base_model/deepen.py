"""A deeper network that begins as the shallow one: its blocks spread evenly, and the new ones do nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

BLOCK = re.compile(r"^(transformer_blocks|single_transformer_blocks)\.(\d+)\.(.+)$")


def spread(shallow: Mapping[str, Tensor], deep: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`deep` is a new network, whose modulation is zero: a block of it changes nothing."""
    few, many = counts(shallow), counts(deep)
    state, given = dict(deep), set()
    for name, value in shallow.items():
        if block := BLOCK.match(name):
            kind, number, rest = block[1], int(block[2]), block[3]
            name = f"{kind}.{number * many[kind] // few[kind]}.{rest}"
        state[name] = value.to(state[name].dtype)
        given.add(name)
    if missing := [name for name in deep if not BLOCK.match(name) and name not in given]:
        raise ValueError(f"The shallow network lacks {', '.join(missing[:3])}.")
    return state


def counts(state: Mapping[str, Tensor]) -> dict[str, int]:
    """How many blocks of each kind."""
    found: dict[str, int] = {}
    for name in state:
        if block := BLOCK.match(name):
            found[block[1]] = max(found.get(block[1], 0), int(block[2]) + 1)
    return found
