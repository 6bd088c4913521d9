"""Examples to tensors: a batch whose samples share every length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from musar_attention import SubjectTokens, TokenLayout, find_phrase, phrase_weights
from musar_attention.phrases import text_of

from ..data.example import Example
from ..encoders import Encoder
from .family import FLUX1, patch_of
from .sequence import Condition

TOKEN = 16  # pixels of one, each way


@dataclass(frozen=True, eq=False)
class Encoded:
    """One example, ready for the model."""

    latent: Tensor  # (h w) w: as wide as the family's tokens
    size: tuple[int, int]  # h, w: of the target, in tokens
    text: Tensor  # T: tokens × width
    pooled: Tensor
    images: tuple[Tensor, ...]  # each CI: (h w) w
    sizes: tuple[tuple[int, int], ...]
    words: tuple[Tensor, ...]  # each CT; () where condition prompts are left out
    phrases: tuple[tuple[int, ...], ...]  # indices into T

    @property
    def shape(self) -> tuple:
        """Examples with the same one can share a batch."""
        return self.size, len(self.text), self.sizes, tuple(len(w) for w in self.words)


@dataclass(frozen=True, eq=False)
class Batch:
    latent: Tensor  # B (h w) w
    size: tuple[int, int]
    text: Tensor  # B T width
    pooled: Tensor
    conditions: tuple[Condition, ...]
    phrases: Tensor | None  # B c T, rows sum to 1; None = no condition


def encode_example(example: Example, encoder: Encoder, condition_prompts: bool = True) -> Encoded:
    """ValueError if the prompt lacks a phrase."""
    text, pooled = encoder.prompt(example.prompt)
    spans = spans_of(example, encoder)
    latents = [encoder.image(r.image) for r in example.references]
    target = encoder.image(example.target)
    return Encoded(
        pack(target[None])[0],
        tokens_of(target),
        text,
        pooled,
        tuple(pack(latent[None])[0] for latent in latents),
        tuple(map(tokens_of, latents)),
        tuple(encoder.words(r.words) for r in example.references) if condition_prompts else (),
        tuple(spans),
    )


def spans_of(example: Example, encoder: Encoder) -> list[tuple[int, ...]]:
    """Indices into T, of each reference. ValueError if the prompt lacks a phrase."""
    if not example.prompt:  # dropped: nothing names the one subject, and it owns everything
        return [()] * len(example.references)
    pieces = encoder.pieces(example.prompt)
    return [find_phrase(pieces, as_read(r.phrase, encoder), r.occurrence) for r in example.references]


def as_read(phrase: str, encoder: Encoder) -> str:
    """The phrase as the tokenizer reads it: letters that it lacks are marked."""
    return text_of(encoder.pieces(phrase)).strip()


def shape_of(example: Example, encoder: Encoder, condition_prompts: bool = True) -> tuple:
    """`encode_example(…).shape`, without encoding."""
    words = [len(encoder.pieces(r.words)) for r in example.references] if condition_prompts else []
    sizes = tuple(_tokens(r.image) for r in example.references)
    return _tokens(example.target), encoder.tokens(example.prompt), sizes, tuple(words)


def _tokens(pixels: np.ndarray) -> tuple[int, int]:
    return pixels.shape[0] // TOKEN, pixels.shape[1] // TOKEN


def collate(examples: Sequence[Encoded]) -> Batch:
    first = examples[0]
    if any(e.shape != first.shape for e in examples):
        raise ValueError(f"Examples of one batch share their lengths; found {[e.shape for e in examples]}.")
    conditions = tuple(
        Condition(
            torch.stack([e.images[k] for e in examples]),
            size,
            torch.stack([e.words[k] for e in examples]) if first.words else None,
            (),
        )
        for k, size in enumerate(first.sizes)
    )
    return Batch(
        torch.stack([e.latent for e in examples]),
        first.size,
        torch.stack([e.text for e in examples]),
        torch.stack([e.pooled for e in examples]),
        conditions,
        torch.cat([_weights(e) for e in examples]) if conditions else None,
    )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """In float32, as latents are: words may be kept in half of it."""

    def move(value: object) -> object:
        if isinstance(value, Tensor):
            return value.to(device, torch.float32) if value.is_floating_point() else value.to(device)
        if isinstance(value, tuple) and value and isinstance(value[0], Condition):
            return tuple(replace(c, image=move(c.image), text=move(c.text)) for c in value)
        return value

    return replace(batch, **{f.name: move(getattr(batch, f.name)) for f in fields(batch)})


def _weights(e: Encoded) -> Tensor:
    """1 c T: the phrases of one sample as weights over T."""
    subjects = tuple(SubjectTokens((1, 1), phrase) for phrase in e.phrases)
    return phrase_weights(TokenLayout(len(e.text), (1, 1), subjects))


def tokens_of(latent: Tensor) -> tuple[int, int]:
    rows, columns = latent.shape[-2:]
    return rows // patch_of(latent), columns // patch_of(latent)


def pack(latent: Tensor) -> Tensor:
    """B C H W -> B tokens (C 2 2), as FLUX.1 patches; FLUX.2's latents have a token a cell."""
    patch = patch_of(latent)
    return rearrange(latent, "b c (h p) (w q) -> b (h w) (c p q)", p=patch, q=patch)


def unpack(tokens: Tensor, rows: int) -> Tensor:
    patch = 2 if tokens.shape[-1] == FLUX1.width else 1
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, p=patch, q=patch)
