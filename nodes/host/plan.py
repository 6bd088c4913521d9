"""What travels from MUSAR Conditioning to the model, and has no place in the host's own data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import comfy.conds
from torch import Tensor

from ...musar_attention import Box, box_from_pixels
from .families import Family, Preset


@dataclass(frozen=True, eq=False)
class Subject:
    """What a MUSAR_SUBJECT socket carries."""

    image: Tensor  # [views,H,W,3], 0 … 1
    prompt: str  # the condition prompt, may be empty
    phrases: tuple[str, ...]  # all that may name it; the prompt has one of them at least
    strength: float
    region: Tensor | None = None  # [H,W], 0 … 1, over the whole picture: where it may be


@dataclass(frozen=True)
class PixelBox:
    """A box in pixels of a canvas; a canvas side of 0 is the picture's."""

    x: float
    y: float
    width: float
    height: float
    canvas: tuple[int, int] = (0, 0)

    def on(self, picture: tuple[int, int]) -> Box:
        canvas = (self.canvas[0] or picture[0], self.canvas[1] or picture[1])
        return box_from_pixels(self.x, self.y, self.width, self.height, canvas)


@dataclass(frozen=True)
class Placement:
    """Where references lie for the model, and until when boxes and regions place subjects."""

    positions: str
    places: int = 0  # taken in turn; 0 = one each
    preset: Preset | None = None  # that chose the positions; None = set by hand
    layout_until: float = 0.0  # of the sampling


@dataclass(frozen=True, eq=False)
class PlannedSubject:
    name: str  # its first phrase
    views: tuple[tuple[int, int], ...]  # rows and columns of tokens of each of its references
    phrase: tuple[int, ...]  # indices into T
    text: Tensor | None  # the condition prompt's embeddings [1,·,context]; None = no prompt
    strength: float
    box: PixelBox | None
    region: Tensor | None = None

    @property
    def bound(self) -> bool:
        """May it be in a part of the picture only?"""
        return self.box is not None or self.region is not None


@dataclass(frozen=True, eq=False)
class Plan:
    """Subjects in the order of the leading reference latents."""

    family: Family  # whose text encoder and latents these are
    subjects: tuple[PlannedSubject, ...]
    placement: Placement
    negative: bool = False  # its prompt names nobody, and no part of the picture belongs to a subject
    cropped: bool = False  # the sampler runs it on an area of the picture only

    @property
    def views(self) -> list[tuple[int, int]]:
        """Of all subjects, in a row: as the reference latents are."""
        return [view for subject in self.subjects for view in subject.views]


class PlanCond(comfy.conds.CONDConstant):
    """The plan among the model's conds; it learns here whether it is run on an area only."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.on_area = replace(plan, cropped=True)

    def process_cond(
        self, batch_size: int, area: tuple | None = None, **kwargs: Any
    ) -> comfy.conds.CONDConstant:
        return comfy.conds.CONDConstant(self.cond if area is None else self.on_area)
