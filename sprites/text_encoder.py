"""The text encoders of Sprites: random word vectors, sinusoidal positions. Nothing is learned."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from .comfy_pack.words import WordVectors

WORDS, PLACES = 32128, 512  # T5's vocabulary; the longest prompt
WIDTH, STEP = 64, 16
POSITION = 0.7  # of a position against a word's 1
THINGS = 8  # the last is for every later one
ARTICLES = (9, 46, 430, 8)  # T5's tokens of: a, an, another, the
FETCHED = Path(__file__).resolve().parents[1] / ".host"  # where `make host` puts ComfyUI
ROUNDS, MIXED, NEAR = 2, 0.75, 0.5  # of mixing: how often, how strongly, and how far it reaches
TOKENIZER = Path("comfy", "text_encoders", "t5_tokenizer")


def text_weights(seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    place = torch.arange(PLACES)[:, None] * torch.exp(
        -math.log(200) * torch.arange(WIDTH // 2) / (WIDTH // 2)
    )
    return {
        "words.weight": torch.randn(WORDS, WIDTH, generator=g).half(),
        "positions.weight": (POSITION * torch.cat([place.sin(), place.cos()], 1)).half(),
        "pool.weight": torch.zeros(WIDTH, WIDTH).half(),  # words are for attention: see docs/sprites.md
        "things.weight": torch.cat([torch.zeros(1, WIDTH), torch.randn(THINGS, WIDTH, generator=g)]).half(),
        "articles": torch.tensor(ARTICLES),
        "step": torch.tensor(STEP),
    }


def mixing_weights(seed: int) -> dict[str, Tensor]:
    """The less kind one: nothing numbers the things, and words take up their neighbours."""
    weights = text_weights(seed)
    g = torch.Generator().manual_seed(seed + 1)
    turns = [torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=g))[0] for _ in range(2 * ROUNDS)]
    return weights | {
        "things.weight": torch.zeros(1, WIDTH).half(),
        "mix": (MIXED * torch.stack(turns)).unflatten(0, (ROUNDS, 2)).half(),
        "near": torch.tensor(NEAR),
    }


class TextEncoder:
    """Captions -> what FLUX reads, with the tokenizer that lies in the host's folder."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        from transformers import T5TokenizerFast

        self.tokenizer = T5TokenizerFast.from_pretrained(tokenizer_folder())
        words, width = weights["words.weight"].shape
        sizes = (
            len(weights[name]) for name in ("pool.weight", "positions.weight", "things.weight", "articles")
        )
        self.model = WordVectors(words, width, *sizes, rounds=len(weights.get("mix", ())))
        self.model.load_sd(weights)

    def tokens(self, caption: str) -> int:
        """How many T has."""
        return self(caption)[0].shape[0]

    @lru_cache(1 << 16)  # noqa: B019 - one encoder a run
    def __call__(self, caption: str) -> tuple[Tensor, Tensor]:
        """[tokens, width], [pooled]."""
        with torch.no_grad():
            stream = [(token, 1.0) for token in self.tokenizer(caption).input_ids]
            embeddings, pooled = self.model.encode(stream)
        return embeddings[0], pooled[0]


def tokenizer_folder() -> Path:
    """T5's, as ComfyUI carries it: no ComfyUI needs to run. ValueError says what to set."""
    own = os.environ.get("COMFYUI_PATH")
    places = [Path(own)] if own else sorted(FETCHED.glob("*"), reverse=True)
    for place in places:
        if (place / TOKENIZER / "tokenizer.json").is_file():
            return place / TOKENIZER
    found = f"COMFYUI_PATH is {own}, which has none" if own else "no ComfyUI was fetched"
    raise ValueError(
        f"Sprites' words go through T5's tokenizer, which lies in ComfyUI's {TOKENIZER}, and {found}. Run "
        "`make host`, or set COMFYUI_PATH to the folder of your ComfyUI."
    )
