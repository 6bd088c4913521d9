"""The DIFFUSION_MODEL wrapper: lays the sequence out and routes attention for one model call.

Nothing is kept between calls: each makes a `_Call`, and it is gone when the call returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .keys import PLAN
from .masks import extend_mask
from .routed_call import RoutedCall, lay_out


@dataclass(frozen=True)
class Settings:
    """What MUSAR Routing was set to."""

    static: bool
    dynamic: bool
    sigmas: tuple[float, float]  # from … to, falling
    blocks: tuple[int, int]  # first … last


class Routing:
    """The wrapper. Conditioning without a plan goes through untouched."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(
        self,
        executor,
        x,
        timestep,
        context,
        y=None,
        guidance=None,
        ref_latents=None,
        control=None,
        transformer_options=None,
        **kwargs,
    ) -> torch.Tensor:
        plan = kwargs.pop(PLAN, None)
        options = dict(transformer_options or {})
        if plan is None:
            return executor(x, timestep, context, y, guidance, ref_latents, control, options, **kwargs)

        _refuse(plan, x, ref_latents, kwargs)
        layout = lay_out(plan, x, context, ref_latents)
        call = RoutedCall(plan, layout, self.settings, x, context, options, executor.class_obj)
        texts = [s.text.to(context).expand(len(context), -1, -1) for s in plan.subjects if s.text is not None]
        context = torch.cat([context, *texts], 1)
        if kwargs.get("attention_mask") is not None:
            kwargs["attention_mask"] = extend_mask(kwargs["attention_mask"], layout)

        patches = dict(options.get("patches", {}))
        patches["post_input"] = [*patches.get("post_input", []), call.place_references]
        options["patches"] = patches
        options["optimized_attention_override"] = call.attention
        out = executor(x, timestep, context, y, guidance, ref_latents, control, options, **kwargs)
        call.require_routed()
        return out


def _refuse(plan, x, ref_latents, kwargs: dict) -> None:
    """What cannot be routed, said before the model trips over it."""
    found = len(ref_latents or ())
    if found < len(plan.subjects):
        raise ValueError(
            f"The conditioning plans {len(plan.subjects)} subjects but carries {found} references. "
            "A node after MUSAR Conditioning replaced its reference latents: remove that node."
        )
    if x.shape[1] != ref_latents[0].shape[1]:
        raise ValueError(
            f"The model gets {x.shape[1]} latent channels and the references have "
            f"{ref_latents[0].shape[1]}: a control LoRA or inpainting conditioning widens the "
            "picture's latent. MUSAR works without it; for control use a ControlNet."
        )
    if kwargs.get("ref_latents_method") == "index_timestep_zero":
        raise ValueError(
            "Edit Model Reference Method is set to index_timestep_zero, which FLUX.1 cannot run. "
            "Remove that node; positions of MUSAR Conditioning places the references."
        )
    if plan.cropped and any(s.box for s in plan.subjects):
        raise ValueError(
            "The conditioning has boxes and is set to an area of the picture (Conditioning Set "
            "Area): boxes are measured on the whole picture. Use one or the other."
        )
