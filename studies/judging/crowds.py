"""What is asked of variants in the less kind world: free places, freer words, up to eight subjects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sprites.judge import Request
from sprites.world.captions import held_out_prompt
from sprites.world.crowd import Told, crowd, tell
from sprites.world.palette import picture
from sprites.world.scene import reference
from training.data.example import Example, Reference

from .cases import Case, told_apart


@dataclass(frozen=True)
class CrowdCase(Case):
    told: Told

    @property
    def example(self) -> Example:
        called = self.told.called
        references = [
            Reference(
                picture(reference(s.kind, s.identity)),
                self.told.names[k],
                called[k],
                called[:k].count(called[k]),
            )
            for k, s in enumerate(self.scene.subjects)
        ]
        return Example(self.words, tuple(self.ordered(references)), self.empty)

    @property
    def request(self) -> Request:
        return replace(super().request, covering=True)


def crowd_cases(
    count: int, prompts: int, same: bool = False, opening: str | None = None, shuffled: bool = False
) -> list[CrowdCase]:
    """Held-out prompts and looks; `opening` begins all of them; `shuffled`: references in another order."""
    rng, chosen = np.random.default_rng((count, same, 77)), []
    while len(chosen) < prompts:
        scene = crowd(rng, count, max(2, count), float(same), held=True)
        if held_out_prompt(scene) and told_apart(scene.subjects):
            told = tell(rng, scene, opening)
            order = tuple(rng.permutation(count).tolist())
            if shuffled and order == tuple(range(count)) and count > 1:
                order = order[::-1]
            chosen.append(CrowdCase(told.words, scene, told, order=order if shuffled else ()))
    return chosen
