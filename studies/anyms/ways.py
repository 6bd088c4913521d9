"""Ways of drawing to compare: the adapter in boxes, MUSAR's dual LoRA with routing in boxes, both, none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from demo.painter import FLUX, MODELS
from sprites.world.scene import PATCH
from training.encoders.sprites import SpritesEncoder
from training.network.base import load_base
from training.network.batch import Batch
from training.network.model import Trained, Variant, Wiring

from ..ablation.variants import every_variant
from ..judging.score import Artist
from ..training_free.ways import Way, bend
from .asked import BoxedCase
from .beside import Beside, Seen, new_adapter, shares
from .train import ADAPTER, VISION
from .vision import Embed

GUIDANCE = 3.5
ROUTED = Way(static=True, rule="centred", boxes=True)  # as MUSAR's own LoRA was trained, with boxes
LORA = "full"  # of the ablation


@dataclass(frozen=True)
class Placing:
    merge: str = ""  # of the adapter's boxes; empty: there is no adapter
    musar: bool = False
    cells: Sequence[str] = field(default=())  # these alone

    def artist(self, judge: Mapping) -> Artist:
        drawing = {name: judge[name] for name in ("steps", "cfg", "batch")}
        if self.musar:
            variant = next(v for v in every_variant() if v.name == LORA)
            own = variant.artist()
            return Artist(own.model, own.encoder, condition_prompts=own.condition_prompts, **drawing)
        flux = load_base(MODELS / FLUX)
        model = Trained(
            flux, Variant(static=False, dynamic=False, ranks={"all": 0}), Wiring(guidance=GUIDANCE)
        )
        return Artist(model.eval(), SpritesEncoder(MODELS), **drawing)


class Hand:
    """Draws cases one way."""

    def __init__(self, placing: Placing, judge: Mapping) -> None:
        self.placing, self.artist = placing, placing.artist(judge)
        self.positive = self.negative = None
        if placing.merge:
            self.embed = Embed(VISION)
            adapter = new_adapter(load_file(ADAPTER))
            self.beside = Beside(self.artist.model.flux, self.artist.model.router, adapter)
            self.artist.model.register_forward_pre_hook(self._look)
            self.silent, _ = self.artist.encoder.prompt("")

    def ready(self, batch: Sequence[BoxedCase]) -> None:
        """For the next pictures, of these cases."""
        if self.placing.musar:
            bend(self.artist.model, ROUTED, self.artist.steps, batch)
        if self.placing.merge:
            self.positive, self.negative = self._seen(batch)

    def _seen(self, batch: Sequence[BoxedCase]) -> tuple[Seen, Seen]:
        count, merge = len(batch[0].looks), self.placing.merge
        images = torch.from_numpy(np.stack([look for case in batch for look in case.looks])).float() / 255
        tokens = self.beside.adapter.tokens(self.embed(images)).unflatten(0, (-1, count))  # B c t w
        nothing = self.beside.adapter.tokens(torch.zeros(1, self.embed.looks.places.shape[1]))
        nothing = nothing.expand_as(tokens)
        if merge == "joint":
            tokens, nothing = (t.flatten(1, 2)[:, None] for t in (tokens, nothing))
        grids = [(case.scene.rows // PATCH, case.scene.columns // PATCH) for case in batch]
        share = torch.stack([shares(case.boxes, grid, merge) for case, grid in zip(batch, grids)])
        return Seen(tokens, share), Seen(nothing, share)

    def _look(self, model: nn.Module, inputs: tuple) -> None:
        """Before every call of the network."""
        batch: Batch = inputs[0]
        says_nothing = _same(batch.text[0], self.silent)
        self.beside.seen = self.negative if says_nothing else self.positive


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a == b).all())
