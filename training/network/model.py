"""What is trained: a frozen FLUX, routed attention, and the LoRA that learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .batch import Batch
from .dense import Dense
from .dual_lora import DualLora
from .family import family_of
from .routing import Router, Routes
from .sequence import join


@dataclass(frozen=True)
class Variant:
    """What the ablation switches; the defaults are the full method."""

    static: bool = True
    dynamic: bool = True
    accumulate: bool = True
    rule: str = "raw"  # of evidence
    owners_by: str = "phrase"  # or reference, or attention
    ranks: dict[str, int] = field(default_factory=lambda: {"subject": 128, "noise": 4})


@dataclass(frozen=True)
class Wiring:
    """How the sequence is put together, whatever the variant."""

    positions: str = "diagonal"
    places: int = 0  # of references, taken in turn; 0 = one each
    guidance: float = 1.0
    dense: bool = False  # masked attention: for small sizes and torch.compile
    exact_times: bool = True  # as in ComfyUI; False: diffusers' own, rounded to bfloat16 under autocast


class Trained(nn.Module):
    """Velocities for a batch; only the LoRA has gradients."""

    def __init__(self, flux: nn.Module, variant: Variant, wiring: Wiring) -> None:
        super().__init__()
        self.flux = flux.requires_grad_(False)
        self.lora = DualLora(flux, variant.ranks)
        self.router = Router(flux)
        self.variant, self.wiring = variant, wiring
        self.family = family_of(flux)
        if wiring.exact_times:
            getattr(flux, self.family.embedding).register_forward_pre_hook(self._exact)
        self.times: tuple[Tensor, ...] = ()  # of this call, and its guidance
        self.new_routes: Callable[..., Routes] = Routes  # a study may watch or bend them

    def forward(self, batch: Batch, noisy: Tensor, time: Tensor, guidance: float | None = None) -> Tensor:
        """noisy [B,n,w] at time [B] (1 is noise) -> velocity [B,n,w].

        `guidance` is for drawing: what is trained with stands in the wiring.
        """
        variant = self.variant
        guidance = self.wiring.guidance if guidance is None else guidance
        wiring = self.wiring
        joint = join(batch.text, batch.size, batch.conditions, wiring.positions, wiring.places, self.family)
        dense = None
        if self.wiring.dense:
            dense = Dense.of(joint.layout, variant.static, variant.dynamic).to(noisy.device)
        self.lora.layout = joint.layout
        self.router.routes = self.new_routes(
            joint.layout,
            variant.static,
            variant.dynamic,
            variant.accumulate,
            batch.phrases,
            variant.rule,
            variant.owners_by,
            dense,
        )
        guided = self.flux.config.guidance_embeds
        self.times = (time,) + ((torch.full_like(time, guidance),) if guided else ())
        pooled = {"pooled_projections": batch.pooled.to(noisy)} if self.family.pooled else {}
        velocity = self.flux(
            **pooled,
            hidden_states=torch.cat([noisy, joint.conditions.to(noisy)], 1),
            encoder_hidden_states=joint.text.to(noisy),
            timestep=time.to(noisy),
            img_ids=joint.image_ids.to(noisy.device),
            txt_ids=joint.text_ids.to(noisy.device),
            guidance=noisy.new_full((len(noisy),), guidance) if guided else None,
            return_dict=False,
        )[0]
        return velocity[:, : joint.layout.target_length]

    def _exact(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What diffusers embeds is cast to the type of its activations, then taken a thousandfold."""
        exact = [1000 * t.float() for t in self.times]
        if self.family.pooled:
            return *exact, inputs[-1]
        return tuple(exact) if len(exact) > 1 else (*exact, None)


def flow_errors(model: nn.Module, batch: Batch, noise: Tensor, time: Tensor) -> Tensor:
    """The flow from picture to noise: its velocity is noise − picture, at every time. Squares, [B,n,w]."""
    t = time[:, None, None]
    velocity = model(batch, (1 - t) * batch.latent + t * noise, time)
    return (velocity.float() - (noise - batch.latent).float()).square()
