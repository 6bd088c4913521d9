"""What a run learns from, of the true shapes and encoded already."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.estimate import WORDS, Case
from training.network.batch import TOKEN, Encoded
from training.network.family import family_of


class RandomExamples:
    """The same example by every number; noise and times are the trainer's own and differ."""

    def __init__(self, network: nn.Module, case: Case) -> None:
        self.example = encoded(network, case)

    def shape(self, stage: int, number: int) -> tuple:
        return self.example.shape

    def encoded(self, stage: int, number: int) -> Encoded:
        return self.example


def encoded(network: nn.Module, case: Case) -> Encoded:
    """Latents in float32 and words in bfloat16, as the encoders on a GPU give them; each phrase is of two
    tokens."""
    family, config = family_of(network), network.config
    g = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g)

    def read(tokens: int) -> Tensor:
        return random(tokens, config.joint_attention_dim).to(torch.bfloat16)

    def tokens(pixels: tuple[int, int]) -> tuple[int, int]:
        return pixels[0] // TOKEN, pixels[1] // TOKEN

    target, sizes = tokens(case.target), tuple(map(tokens, case.references))
    return Encoded(
        random(target[0] * target[1], family.width),
        target,
        read(case.text),
        random(config.pooled_projection_dim if family.pooled else 0).to(torch.bfloat16),
        tuple(random(h * w, family.width) for h, w in sizes),
        sizes,
        tuple(read(WORDS) for _ in sizes),
        tuple((3 * k + 1, 3 * k + 2) for k in range(len(sizes))),
    )
