"""What the trainer learns from: one prompt, one target, one or two references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Reference:
    image: np.ndarray  # H W 3, 0 … 255
    words: str  # its condition prompt
    phrase: str  # what names it in the prompt, without an article: "cat"
    occurrence: int = 0  # which of the prompt's, as find_phrase counts: a left caption may say "cat" twice


@dataclass(frozen=True, eq=False)
class Example:
    prompt: str
    references: tuple[Reference, ...]  # as the prompt names them
    target: np.ndarray  # H W 3, 0 … 255
