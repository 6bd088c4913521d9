"""What is asked for: prompts and looks never trained on, and a box for each subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from musar_attention import Box
from sprites.judge import Request
from sprites.world.kinds import SIDE
from sprites.world.palette import picture
from sprites.world.scene import PATCH, reference
from training.data.example import Example

from ..judging.cases import Case, cases


@dataclass(frozen=True)
class BoxedCase(Case):
    """Places are asked for, too. Found subjects are held against them, also where boxes are larger."""

    loose: int = 0  # tokens by which a box is larger than the place, on each side

    @property
    def boxes(self) -> list[Box]:
        width, height, more = self.scene.columns, self.scene.rows, self.loose * PATCH
        return [
            Box(
                max(0, s.column - more) / width,
                max(0, s.row - more) / height,
                min(width, s.column + SIDE + more) / width,
                min(height, s.row + SIDE + more) / height,
            )
            for s in self.scene.subjects
        ]

    @property
    def request(self) -> Request:
        return replace(super().request, boxes=[s.box for s in self.scene.subjects])

    @property
    def looks(self) -> list[np.ndarray]:
        """The references."""
        return [picture(reference(s.kind, s.identity)) for s in self.scene.subjects]


@dataclass(frozen=True)
class WordsAlone(BoxedCase):
    """The same for the base, which reads no references."""

    @property
    def example(self) -> Example:
        return replace(super().example, references=())


def boxed_cases(count: int, prompts: int, loose: int = 0, references: bool = True) -> Sequence[BoxedCase]:
    kind = BoxedCase if references else WordsAlone
    return [kind(case.words, case.scene, loose) for case in cases(count, False, prompts)]
