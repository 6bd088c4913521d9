"""The latest run of a routed model, as the preview draws it."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy_execution.utils import get_executing_context

from ...musar_attention import StepRecord, Tally, TokenLayout
from .keys import WRAPPER
from .plan import Plan
from .routed_call import RoutedCall

POSITIVE = 0  # in the host's cond_or_uncond, but for Dual CFG Guider's


class Part:
    """Of a run, what one set of subjects got: step by step, by the sampler's sigma."""

    def __init__(self, plan: Plan, layout: TokenLayout, sigmas: list[float]) -> None:
        self.plan, self.layout, self.sigmas = plan, layout, sigmas
        self.steps: dict[float, StepRecord] = {}
        self.layers: dict[float, int] = {}

    @property
    def names(self) -> list[str]:
        return [subject.name for subject in self.plan.subjects]

    def add(self, sigma: float, tally: Tally, rows: slice) -> None:
        """Some samplers ask twice in a step: the later call counts, unless it left layers out."""
        if tally.layers >= self.layers.get(sigma, 0):
            self.steps[sigma], self.layers[sigma] = tally.result(rows), tally.layers

    def number(self, sigma: float) -> int:
        """Which step of the run, from 1."""
        return 1 + self.sigmas.index(sigma)


class RunRecord:
    """A part for each set of subjects on each side: conditionings combined, or for ranges of steps. Those of
    the same names share one."""

    def __init__(self) -> None:
        self.parts: dict[tuple, Part] = {}
        self.sigmas: list[float] = []  # of all parts, as they came

    def add(self, call: RoutedCall, options: dict) -> Part | None:
        """What one call of the model decided. The part of it that a live view shows; None = another's."""
        if call.tally.layers == 0:
            return None
        sides, sigma = options.get("cond_or_uncond") or [POSITIVE], options.get("sigmas")
        sigma = 0.0 if sigma is None else float(sigma[0])
        each, added = len(call.tally.owned) // len(sides), []
        for i, side in enumerate(sides):
            rows = slice(i * each, (i + 1) * each)
            if bool(call.silent[rows].all()):
                continue  # a zeroed negative shares the positive's plan, and is nobody's
            names = tuple(subject.name for subject in call.plan.subjects)
            key = side, names, call.layout.target
            part = self.parts.setdefault(key, Part(call.plan, call.layout, self.sigmas))
            if sigma not in self.sigmas:
                self.sigmas.append(sigma)
            part.add(sigma, call.tally, rows)
            added.append(part)
        first = next((part for part in self.shown if sigma in part.steps), None)
        return first if first in added else None

    @property
    def shown(self) -> list[Part]:
        """The positive's; where that has none, all: core's Dual CFG Guider counts its sides otherwise."""
        positive = [part for (side, *_), part in self.parts.items() if side == POSITIVE]
        return positive or list(self.parts.values())


class Records:
    """Of the latest run; where a node ran once for each item of a list, of each item's."""

    def __init__(self) -> None:
        self.now = RunRecord()
        self.by_item: dict[int | None, RunRecord] = {}
        self.run: tuple[str, str] | None = None  # prompt and node

    def begin(self) -> tuple:
        """What there was before."""
        before = self.run, dict(self.by_item), self.now
        here = get_executing_context()
        run = (here.prompt_id, here.node_id) if here else None
        if run is None or run != self.run:
            self.by_item = {}
        self.run, self.now = run, RunRecord()
        self.by_item[here.list_index if here else None] = self.now
        return before

    def restore(self, before: tuple) -> None:
        self.run, self.by_item, self.now = before

    def of_this_item(self) -> RunRecord | None:
        """Of the item that the asking node runs for; the last, as the host gives a list that is too short.
        None = no run since this was made."""
        here = get_executing_context()
        last = next(reversed(self.by_item.values()), None)
        return self.by_item.get(here.list_index, last) if here else last


def records_of(model: ModelPatcher) -> Records | None:
    """Of the MUSAR Routing that this model went through; None without one."""
    wrappers = model.get_wrappers(WrappersMP.DIFFUSION_MODEL, WRAPPER)
    return wrappers[-1].records if wrappers else None
