"""Ways of routing to compare, also those that the pack does not offer: how owners are found, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from musar_attention import LATTICE, TokenLayout, affinity, assign, inside_boxes, smoothed
from sprites.world.scene import PATCH
from training.network.dense import Dense
from training.network.model import Trained
from training.network.routing import Routes

from ..judging.cases import Case
from .rules import voice

TRAINED = "trained"
# What owners follow: the phrase, the reference or attention, as the nodes do it; attention asking every token
# of the picture; or that and the phrase.
PHRASE, REFERENCE, ATTENTION, SEEN, BOTH = "phrase", "reference", "attention", "seen", "both"
WORDS, ALL, NOBODY, OWNERS = "words", "all", "nobody", "owners"  # what the negative's parts see of references


@dataclass(frozen=True)
class Way:
    static: bool = False
    dynamic: bool = True
    accumulate: bool = True
    rule: str = "raw"
    signal: str = PHRASE
    lattice: int = LATTICE  # by reference: so many rows and columns of each are asked
    places: int | str = 0  # or as many as TRAINED
    positions: str = ""  # none: as the LoRA was trained
    steps: tuple[float, float] = (0.0, 1.0)  # shares of the sampling
    blocks: tuple[int, int] = (0, 1000)
    smooth: bool = False
    memory: bool = False  # a step begins with the evidence that the last one ended with
    decay: float = 1.0  # of the evidence of the layers before
    nobody: float = 0.0  # of a subject's strongest evidence: tokens below it are nobody's
    busy: bool = False  # references on backgrounds of their own
    boxes: bool = False  # a subject owns nothing outside the place that a true picture gives it
    held: float = 0.0  # and up to this share of the steps its own tokens alone see its phrase
    clause: bool = False  # a phrase goes on until the next subject's: what comes behind it has read it
    gated: bool = False  # the LoRA leaves the prompt's tokens alone
    negative: str = WORDS  # it has no references; or it has, and they are seen by its parts as this says
    bias: float = 0.0  # added to one subject's affinity in every layer but the clear one
    clear: int = 1  # the layer that tells subjects apart: docs/results.md, "Who owns what"

    def placed(self, trained: int) -> Way:
        """With the number of places that the model was trained with, where that is asked for."""
        return replace(self, places=trained) if self.places == TRAINED else self


def way_of(settings: Mapping[str, Any]) -> Way:
    return Way(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})


@dataclass
class Progress:
    """Of one batch of pictures: what survives from step to step."""

    steps: int
    allowed: Tensor | None = None  # bool [B,n,c]: who may own what
    step: int = -1
    last: Tensor | None = None  # evidence at the end of the last step
    owner: Tensor | None = None  # of the latest layer


@dataclass(eq=False)
class BentRoutes(Routes):
    way: Way = field(default_factory=Way)
    progress: Progress = field(default_factory=lambda: Progress(1))

    def __post_init__(self) -> None:
        if self.phrases is not None:  # not the negative
            self.progress.step += 1
            if self.way.clause:
                self.phrases = clauses(self.phrases)

    def owner(self, layer: nn.Module, q: Tensor, k: Tensor) -> Tensor | None:
        way, count = self.way, self.layout.count
        if count and self.phrases is None:
            return self._in_negative(q)
        place = self.places.setdefault(id(layer), len(self.places))
        first, last = way.steps
        inside = first <= self.progress.step / self.progress.steps < last
        inside = inside and way.blocks[0] <= place <= way.blocks[1]
        self.static = way.static and inside
        routed = bool(count) and way.dynamic and inside
        self.dense = Dense.of(self.layout, self.static, routed).to(q.device)
        if not routed:
            self.found[place : place + 1] = [self.found[place - 1] if place else None]
            return None
        before = self.found[place - 1] if way.accumulate and place else self.progress.last
        here = voice(self._signal(q, k, place), way.rule)
        total = here if before is None else way.decay * before + here
        self.found[place : place + 1] = [total]
        if way.memory:
            self.progress.last = total
        told = smoothed(total, self.layout.target) if way.smooth else total
        owner = assign(told, self.progress.allowed)
        if way.nobody:
            best = told.gather(-1, owner[..., None])[..., 0]
            strongest = told.amax(1).gather(-1, owner)
            owner = owner.masked_fill(best < way.nobody * strongest, -1)
        self.progress.owner = owner
        if self.progress.step / self.progress.steps < way.held:
            self.dense = Held(self.dense, self.phrases > 0)
        return owner

    def _in_negative(self, q: Tensor) -> Tensor | None:
        way = self.way
        self.static, routed = way.static, way.dynamic and way.negative != ALL
        self.dense = Dense.of(self.layout, way.static, routed).to(q.device)
        if not routed:
            return None
        if way.negative == OWNERS:
            return self.progress.owner
        return torch.full((len(q), self.layout.target_length), -1, device=q.device)

    def _signal(self, q: Tensor, k: Tensor, place: int) -> Tensor:
        way = self.way
        parts = []
        if way.signal in (PHRASE, REFERENCE, ATTENTION):
            parts.append(affinity(q, k, self.layout, self.phrases, way.signal, way.lattice))
        if way.signal == BOTH:
            parts.append(affinity(q, k, self.layout, self.phrases))
        if way.signal in (SEEN, BOTH):
            parts.append(seen_affinity(q, k, self.layout))
        total = sum(parts)
        if way.bias and place != way.clear:
            total = total.clone()
            total[..., place % self.layout.count] += way.bias * total.amax()
        return total


@dataclass(frozen=True, eq=False)
class Held:
    """The mask where tokens of the picture see the phrase of their owner alone."""

    dense: Dense
    phrases: Tensor  # bool [B,c,m]

    @torch.compiler.disable  # torch 2.11 writes C++ for it that does not compile, on AVX-512
    def mask(self, owner: Tensor) -> Tensor:
        """bool [B,1,L,L]"""
        mask, words = self.dense.mask(owner).clone(), self.phrases.shape[2]
        nobodys = torch.zeros_like(self.phrases[:, :1])
        own = torch.cat([nobodys, self.phrases], 1)[torch.arange(len(owner))[:, None], owner + 1]  # B n m
        mask[:, 0, self.dense.target, :words] &= own | ~self.phrases.any(1, keepdim=True)
        return mask


LAST = 6  # tokens that the last phrase's clause has behind it


def clauses(phrases: Tensor) -> Tensor:
    """Weights [B,c,m] of phrases -> of all that is said until the next phrase begins, or LAST tokens more."""
    wide = torch.zeros_like(phrases)
    for sample, told in zip(phrases, wide):
        spans = [row.nonzero()[:, 0] for row in sample]
        starts = [int(span[0]) for span in spans]
        for k, span in enumerate(spans):
            behind = [start for start in starts if start > starts[k]]
            told[k, starts[k] : min(behind, default=int(span[-1]) + 1 + LAST)] = 1
    return wide / wide.sum(-1, keepdim=True)


def inside(batch: Sequence[Case]) -> Tensor:
    """bool [B,n,c]."""
    tokens = [(case.scene.rows // PATCH, case.scene.columns // PATCH) for case in batch]
    return torch.cat([inside_boxes(case.boxes, size) for case, size in zip(batch, tokens)])


def seen_affinity(q: Tensor, k: Tensor, layout: TokenLayout) -> Tensor:
    """How much every target token attends to each reference, of all it attends to: float32 [B,n,c]."""
    scores = q[:, :, layout.X] @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    weights = scores.float().softmax(-1).mean(1)  # B n L
    return torch.stack([weights[..., layout.CI(i)].sum(-1) for i in range(layout.count)], -1)


def bend(model: Trained, way: Way, steps: int, batch: Sequence[Case] = ()) -> None:
    """The model draws its next batch, of these cases, this way."""
    device = next(model.parameters()).device
    progress = Progress(steps, allowed=inside(batch).to(device) if way.boxes else None)
    positions = way.positions or model.wiring.positions
    model.wiring = replace(model.wiring, places=way.places, positions=positions)

    def routes(*args: Any, **kwargs: Any) -> BentRoutes:
        return BentRoutes(*args, way=way, progress=progress, **kwargs)

    model.new_routes = routes
