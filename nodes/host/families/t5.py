"""FLUX.1's prompt: T5's pieces from the first token on, padded behind."""

from __future__ import annotations

from comfy.sd import CLIP
from torch import Tensor

VECTOR = "<embedding>"  # the piece that stands for a vector of an embedding file


class T5:
    name = "T5"
    keys = ("t5xxl",)
    loader = "DualCLIPLoader, type flux"
    wanted = f"FLUX.1 needs CLIP-L and T5-XXL: use {loader}."
    layers = 1

    def stream(self, tokens: dict) -> list:
        return [token for batch in tokens["t5xxl"] for token in batch]

    def pieces(self, clip: CLIP, stream: list) -> list[str]:
        vocabulary = clip.tokenizer.t5xxl.inv_vocab
        return [VECTOR if isinstance(t[0], Tensor) else vocabulary[t[0]] for t in stream]

    def own_length(self, clip: CLIP, stream: list) -> int:
        padding = clip.tokenizer.t5xxl.pad_token
        return max(i for i, t in enumerate(stream) if isinstance(t[0], Tensor) or t[0] != padding) + 1

    def lead(self, context: Tensor) -> int:
        return 0

    def unread(self, pieces: list[str]) -> str:
        if "<unk>" not in pieces:
            return ""
        return " Some characters of the prompt are unknown to T5, which reads Latin script."
