"""What every encoder can do."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor


class Encoder(Protocol):
    """Everything without a batch, on the CPU; latents in the scale that FLUX sees."""

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        """T [tokens, width], padded as the host pads it, and the pooled vector, if there is one."""
        ...

    def words(self, text: str) -> Tensor:
        """CT [tokens, width]: of T of these words alone, the words' own tokens and the end token."""
        ...

    def tokens(self, text: str) -> int:
        """How many T has; no network runs."""
        ...

    def pieces(self, text: str) -> list[str]:
        """The tokens of T as the tokenizer writes them, without padding."""
        ...

    def image(self, pixels: np.ndarray) -> Tensor:
        """H W 3 of 0 … 255 -> [16, H/8, W/8]; FLUX.2's, [128, H/16, W/16]."""
        ...

    def picture(self, latent: Tensor) -> np.ndarray:
        """The other way."""
        ...

    def free(self) -> None:
        """Give its memory back; what is needed again is loaded again."""
        ...

    def fingerprint(self) -> str:
        """Of its weights: what one encoder made is not another's."""
        ...
