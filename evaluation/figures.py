"""Figures of pictures: likeness to references and to the words, each a mean the paper's way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional import pairwise_cosine_similarity

from .networks import Clip, Dino
from .samples import Sample, pixels

BATCH = 32


class Judge(Protocol):
    names: Sequence[str]  # of its figures
    told: str  # what it is, for the report

    def judge(self, samples: Sequence[Sample]) -> list[dict[str, float | None]]: ...


@dataclass
class Likeness:
    """Mean cosine to all references: over the pictures of each subject, then over the subjects."""

    name: str
    network: Dino | Clip
    known: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def told(self) -> str:
        return f"{self.name}: {self.network.name}"

    def judge(self, samples: Sequence[Sample]) -> list[dict[str, float | None]]:
        drawn = self.network.pictures([pixels(s.file) for s in samples])
        return [{self.name: self._mean(sample, own)} for sample, own in zip(samples, drawn)]

    def _mean(self, sample: Sample, own: Tensor) -> float:
        masks = sample.masks or ("",) * len(sample.references)
        each = [
            pairwise_cosine_similarity(own[None], self._references(views, mask)).mean()
            for views, mask in zip(sample.references, masks)
        ]
        return float(torch.stack(each).mean())

    def _references(self, views: Sequence[str], mask: str) -> Tensor:
        new = [view for view in views if (view, mask) not in self.known]
        if new:
            found = self.network.pictures([pixels(view, mask) for view in new])
            self.known |= {(view, mask): vector for view, vector in zip(new, found)}
        return torch.stack([self.known[view, mask] for view in views])


@dataclass
class Wording:
    """100 × cosine of the picture and its prompt."""

    network: Clip
    names: tuple[str, ...] = ("CLIP-T",)

    @property
    def told(self) -> str:
        return f"CLIP-T: {self.network.name}"

    def judge(self, samples: Sequence[Sample]) -> list[dict[str, float | None]]:
        drawn = self.network.pictures([pixels(s.file) for s in samples])
        said = self.network.words([s.prompt for s in samples])
        return [{"CLIP-T": 100 * float(c)} for c in torch.cosine_similarity(drawn, said)]


def judge_all(samples: Sequence[Sample], judges: Sequence[Judge]) -> Iterator[Mapping[str, float | None]]:
    """In their order."""
    rest = iter(samples)
    while some := list(islice(rest, BATCH)):
        for each in zip(*(judge.judge(some) for judge in judges)):
            yield {name: _plain(value) for figures in each for name, value in figures.items()}


def _plain(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
