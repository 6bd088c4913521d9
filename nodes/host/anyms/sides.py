"""Which rows of a batch are the positive's: guiders count their sides in several ways."""

from __future__ import annotations

from typing import Any

from comfy.patcher_extension import WrapperExecutor

from ..traced import uncompiled

NEGATIVE = ("negative", "empty_negative_prompt")  # as guiders name their conditionings
DUAL = "middle"  # Dual CFG Guider has it, and asks for its negative first


class Sides:
    """Knows the conditionings of the run by the host's ids, where it gives any."""

    def __init__(self) -> None:
        self.positive: set | None = None
        self.dual = False

    def begin_run(self, executor: WrapperExecutor, *args: Any, **kwargs: Any) -> Any:
        """The OUTER_SAMPLE wrapper."""
        conds = getattr(executor.class_obj, "conds", None) or {}
        ids = {c.get("uuid") for name, own in conds.items() if name not in NEGATIVE for c in own or ()}
        self.positive, self.dual = ids - {None} or None, DUAL in conds
        try:
            with uncompiled():  # a graph would have another layout's boxes and looks in it
                return executor(*args, **kwargs)
        finally:
            self.positive, self.dual = None, False

    def of(self, options: dict) -> list[bool]:
        """For each part of the batch. By the id, as some nodes ask for the negative alone; by the side too,
        as an area's conditioning stands on both under one id."""
        sides = options.get("cond_or_uncond") or [0]
        ids = options.get("uuids") or [None] * len(sides)
        return [(side != 0 if self.dual else side == 0) and self._known(i) for side, i in zip(sides, ids)]

    def _known(self, one: Any) -> bool:
        return self.positive is None or one is None or one in self.positive
