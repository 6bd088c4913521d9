"""The latest run of a routed model, as the preview draws it."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...musar_attention import StepRecord, Tally, TokenLayout
from .keys import WRAPPER
from .plan import Plan

POSITIVE = 0  # in the host's cond_or_uncond


class RunRecord:
    """Step by step, by the sampler's sigma: some samplers ask the model twice in a step."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.layout: TokenLayout | None = None
        self.steps: dict[float, StepRecord] = {}

    def add(self, plan: Plan, layout: TokenLayout, tally: Tally, options: dict) -> bool:
        """What one call of the model decided, for the positive conditioning's part of the batch.

        False: it decided nothing there.
        """
        kinds = options.get("cond_or_uncond", [POSITIVE])
        if tally.layers == 0 or POSITIVE not in kinds:
            return False
        each = len(tally.owned) // len(kinds)
        first = kinds.index(POSITIVE) * each
        sigma = options.get("sigmas")
        self.plan, self.layout = plan, layout
        self.steps[0.0 if sigma is None else float(sigma[0])] = tally.result(slice(first, first + each))
        return True


def record_of(model: ModelPatcher) -> RunRecord | None:
    """The record of the MUSAR Routing that this model went through; None without one."""
    wrappers = model.get_wrappers(WrappersMP.DIFFUSION_MODEL, WRAPPER)
    return wrappers[-1].record if wrappers else None
