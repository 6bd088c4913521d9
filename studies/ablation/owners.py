"""How many tokens of a subject each layer gives to their own reference, with affinities added up or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from musar_attention import assign
from sprites.latents import latents_of
from sprites.world.scene import PATCH
from training.network.batch import collate, encode_example, pack

from ..judging.cases import Case
from ..judging.score import Artist, noise_of

TIMES = (0.95, 0.75, 0.5, 0.25)  # 1 is noise


def table(artist: Artist, cases: Sequence[Case]) -> list[str]:
    blocks = artist.model.flux.config.num_layers
    lines = []
    for accumulate in (False, True):
        shares = np.mean([right(artist, i, case, accumulate) for i, case in enumerate(cases)], 0)
        if not lines:
            names = [f"double {i}" if i < blocks else f"single {i - blocks}" for i in range(shares.shape[1])]
            lines = [f"| owners | time | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for time, row in zip(TIMES, shares):
            how = "all layers so far" if accumulate else "each layer alone"
            lines.append(f"| {how} | {time:g} | {' | '.join(f'{share:.0%}' for share in row)} |")
    return lines


@torch.no_grad()
def right(artist: Artist, number: int, case: Case, accumulate: bool) -> np.ndarray:
    """times × layers: the share of the subjects' tokens with the right owner, in the true picture."""
    model, truth = artist.model, owners_of(case)
    batch = collate([encode_example(case.example, artist.encoder, artist.condition_prompts)])
    picture = pack(latents_of([case.scene.cells()]))
    noise = noise_of(number, 0, picture.shape[1:])[None]
    before, model.variant = model.variant, replace(model.variant, dynamic=True, accumulate=accumulate)
    shares = []
    for time in TIMES:
        model(batch, (1 - time) * picture + time * noise, torch.tensor([time]))
        owners = [assign(s)[0].numpy() for s in model.router.routes.found]
        shares.append([(owner == truth)[truth >= 0].mean() for owner in owners])
    model.variant = before
    return np.array(shares)


def owners_of(case: Case) -> np.ndarray:
    """Of every token of X: the subject that it shows, −1 where it shows none."""
    rows, columns = case.scene.rows, case.scene.columns
    owner = np.full((rows // PATCH, columns // PATCH), -1)
    for k, subject in enumerate(case.scene.subjects):
        mask = subject.mask(rows, columns).reshape(rows // PATCH, PATCH, columns // PATCH, PATCH)
        owner[mask.any((1, 3))] = k
    return owner.flatten()
