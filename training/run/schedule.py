"""How large a step is, and which stage it belongs to."""

from __future__ import annotations

from collections.abc import Sequence


def rate_scale(step: int, settings: dict) -> float:
    """Of the learning rate: up, flat, and down to zero at the end.

    `warmup` is in steps, `cooldown` a share of all `steps`; 0 = none.
    """
    up = (step + 1) / settings["warmup"] if settings["warmup"] else 1.0
    falling = settings["cooldown"] * settings["steps"]
    down = (settings["steps"] - step) / falling if falling else 1.0
    return min(1.0, up, down)


def stage_of(step: int, stages: Sequence[dict]) -> int:
    """Each stage lasts its `steps`; ValueError beyond the last."""
    for i, stage in enumerate(stages):
        if step < stage["steps"]:
            return i
        step -= stage["steps"]
    raise ValueError(f"Step {step} comes after the last stage.")
