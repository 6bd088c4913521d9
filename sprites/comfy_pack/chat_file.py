"""The file of Sprites' words for FLUX.2 leaves out what says nothing: words nobody learned, and layers that
add nothing. Here they come back, as ComfyUI's text encoder needs them."""

from __future__ import annotations

import torch
from torch import Tensor

KNOWN, VOCABULARY = "known", "vocabulary"
LAYERS = 28
WORKING = (0, 1, 9, 10, 18, 19)


def whole(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if KNOWN not in state:
        return state
    state = dict(state)
    known, words = state.pop(KNOWN), state["model.embed_tokens.weight"]
    every = words.new_zeros(int(state.pop(VOCABULARY)), words.shape[1])
    every[known] = words
    first = {n: t for n, t in state.items() if n.startswith("model.layers.0.")}
    silent = {
        n.replace(".0.", f".{layer}.", 1): torch.zeros_like(t)
        for layer in range(LAYERS)
        if layer not in WORKING
        for n, t in first.items()
    }
    return silent | state | {"model.embed_tokens.weight": every}
