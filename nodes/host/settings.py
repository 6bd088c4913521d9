"""What MUSAR Routing was set to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The node's widgets."""

    static: bool
    dynamic: bool
    sigmas: tuple[float, float]  # from … to, falling
    blocks: tuple[int, int]  # first … last
    accumulate: bool = True  # owners by the evidence of all layers so far
    rule: str = "raw"  # of evidence
    leak: bool = False  # measure what each region's attention goes to


OFF = Settings(False, False, (float("inf"), 0.0), (0, 0))  # lays out and routes nothing
