"""Draw a variant's answers with the trainer's own sampler, and judge every picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sprites.judge import Request, Verdict, judge
from sprites.latents import cells_of
from training.encoders import Encoder
from training.network.batch import Encoded, collate, encode_example, to_device, unpack
from training.network.model import Trained
from training.run.draw import draw, nothing_said
from training.run.precision import bf16_pays

from .cases import Case

FIGURES = ("identity", "matched", "leak", "fidelity", "diptych", "present", "extra")


@dataclass(frozen=True)
class Artist:
    model: Trained
    encoder: Encoder
    steps: int
    cfg: float
    batch: int
    condition_prompts: bool = True
    negative_references: bool = False  # the negative has them too

    def draw(
        self, cases: Sequence[Case], seeds: int, before: Callable[[Sequence[Case]], None] = lambda batch: None
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Number of the case, seed, and the picture's cells; in no particular order. `before` each batch."""
        groups: dict[tuple, list[tuple[int, int, Encoded]]] = defaultdict(list)
        for i, case in enumerate(cases):
            encoded = encode_example(case.example, self.encoder, self.condition_prompts)
            groups[encoded.shape] += [(i, seed, encoded) for seed in range(seeds)]
        for group in groups.values():
            for start in range(0, len(group), self.batch):
                part = group[start : start + self.batch]
                before([cases[i] for i, _, _ in part])
                for (i, seed, _), cells in zip(part, self._draw(part)):
                    yield i, seed, cells

    @torch.no_grad()
    def _draw(self, part: list[tuple[int, int, Encoded]]) -> np.ndarray:
        batch = collate([encoded for _, _, encoded in part])
        noise = torch.stack([noise_of(i, seed, encoded.latent.shape) for i, seed, encoded in part])
        silent = nothing_said(batch, self.encoder.prompt(""))
        if self.negative_references:
            silent = replace(silent, conditions=batch.conditions)
        device = next(self.model.parameters()).device
        batch, silent = to_device(batch, device), to_device(silent, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16_pays(device)):
            latent = draw(self.model, batch, noise.to(device), self.steps, silent, self.cfg)
        return cells_of(unpack(latent, batch.size[0]).cpu())


def noise_of(case: int, seed: int, shape: torch.Size) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1000 * case + seed))


def figures(cells: np.ndarray, request: Request) -> dict[str, float | None]:
    """What the table shows, of one picture; a leak is of the subjects that are there."""
    verdict: Verdict = judge(cells, request)
    leaks = [leak for leak, found in zip(verdict.leak, verdict.found) if found]
    values = (
        np.mean(verdict.identity),
        np.mean(verdict.matched),
        np.mean(leaks) if leaks else None,
        verdict.fidelity,
        verdict.diptych,
        verdict.present,
        verdict.extra,
    )
    return {name: None if v is None else round(float(v), 4) for name, v in zip(FIGURES, values)}
