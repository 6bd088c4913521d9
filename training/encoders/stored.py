"""An encoder that looks first among what was encoded ahead, and remembers what comes again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from torch import Tensor

from .encoder import Encoder
from .store import Store, name_of

MEMORY = 2 << 30  # bytes of pictures and words that are kept at hand


class StoredEncoder:
    """`store` holds pictures and condition prompts; prompts hardly ever come twice, and are not kept."""

    def __init__(self, encoder: Encoder, store: Store | None = None, memory: int = MEMORY) -> None:
        self.encoder, self.store, self.memory = encoder, store, memory
        self.held: OrderedDict[str, Tensor] = OrderedDict()
        self.size = 0

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        return self.encoder.prompt(text)

    def words(self, text: str) -> Tensor:
        return self._once(name_of("words", text), lambda: self.encoder.words(text))

    def tokens(self, text: str) -> int:
        return self.encoder.tokens(text)

    def pieces(self, text: str) -> list[str]:
        return self.encoder.pieces(text)

    def image(self, pixels: np.ndarray) -> Tensor:
        return self._once(name_of("image", pixels), lambda: self.encoder.image(pixels)).float()

    def picture(self, latent: Tensor) -> np.ndarray:
        return self.encoder.picture(latent)

    def free(self) -> None:
        self.encoder.free()

    def _once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        if self.store is not None and name in self.store:
            return self.store[name]
        if name in self.held:
            self.held.move_to_end(name)
            return self.held[name]
        value = self.held[name] = make()
        self.size += value.nbytes
        while self.size > self.memory and len(self.held) > 1:
            self.size -= self.held.popitem(last=False)[1].nbytes
        return value
