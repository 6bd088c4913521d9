"""What MUSAR Routing was set to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from .families import Preset

ROUNDED = 1 + 1e-6  # a step's sigma is in single precision, a share's in double


@dataclass(frozen=True)
class Settings:
    """The node's widgets, and where a share of its model's sampling lies."""

    static: bool
    dynamic: bool
    sigmas: tuple[float, float]  # from … to, falling
    blocks: tuple[int, int]  # first … last
    accumulate: bool = True  # owners by the evidence of all layers so far
    rule: str = "raw"  # of evidence
    leak: bool = False  # measure what each region's attention goes to
    owners_by: str = "phrase"  # or reference, or attention: what a layer goes by
    remember: bool = False  # a step begins with the evidence that the last one ended with
    smooth: bool = False  # owners by the mean evidence of a token and its neighbours
    by_hand: bool = True  # and not as the conditioning's preset says
    sigma_at: Callable[[float], float] | None = None  # of a share of the sampling

    def of(self, preset: Preset | None) -> Settings:
        """What is in force for a conditioning with this preset."""
        if self.by_hand or preset is None:
            return self
        return replace(
            self,
            static=preset.static,
            rule=preset.evidence,
            owners_by=preset.owners_by,
            remember=preset.remember,
            smooth=preset.smooth,
        )

    def before(self, share: float, sigmas: Tensor | None) -> bool:
        """Does a step at these sigmas, one a sample, lie before this share of the sampling?"""
        if share <= 0 or sigmas is None or self.sigma_at is None:
            return False
        return float(sigmas[0]) > self.sigma_at(share) * ROUNDED


def window(sampling: Any, start: float, end: float) -> tuple[float, float]:
    """Sigmas of two shares of the sampling. From the beginning is from any sigma: samplers with churn, and
    nodes that change sigmas, begin above the model's own first one."""
    first, last = (float(sampling.percent_to_sigma(share)) for share in (start, end))
    return float("inf") if start <= 0 else first, last


OFF = Settings(False, False, (float("inf"), 0.0), (0, 0))  # lays out and routes nothing
