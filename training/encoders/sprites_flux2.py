"""The encoder of Sprites of FLUX.2: klein's template and tokenizer, a small Qwen3, the palette's codes."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sprites.chat_text import ChatText, read_chat_text
from sprites.judge import read_cells
from sprites.latents import cells_of, flux2_latents_of
from sprites.text_encoder import tokenizer_folder
from sprites.world.palette import picture

from .klein import KleinEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEXT = "sprites_flux2_text.safetensors"
TOKENIZER = "qwen25_tokenizer"  # ComfyUI carries it beside T5's


class SpritesFlux2Encoder(KleinEncoder):
    folders, networks = (), ()

    def __init__(
        self, models: Path, length: int = 512, text: ChatText | None = None, device: str = "cpu"
    ) -> None:
        """`models` is the folder with Sprites' weights; `text` stands for its file."""
        super().__init__(models, device, length)
        self.text = (read_chat_text(models / TEXT) if text is None else text).to(device)

    def image(self, pixels: np.ndarray) -> Tensor:
        return flux2_latents_of([read_cells(pixels)])[0]

    def picture(self, latent: Tensor) -> np.ndarray:
        return picture(cells_of(latent[None])[0])

    def fingerprint(self) -> str:
        return hashlib.sha256((self.models / TEXT).read_bytes()).hexdigest()

    def _read(self, text: str) -> Tensor:
        return self._of_length(text, self.length)

    @lru_cache(1 << 10)  # noqa: B019 - one encoder a run
    @torch.no_grad()
    def _of_length(self, text: str, length: int) -> Tensor:
        ids, real = self.padded([text], length)
        return self.text(ids.to(self.device), real.to(self.device))[0].cpu()

    def padded(self, texts: list[str], length: int) -> tuple[Tensor, Tensor]:
        """Ids and what is real of them, [B, length]."""
        every = [self._ids(text) for text in texts]
        if max(map(len, every)) > length:
            raise ValueError(f"Sprites' prompts have {length} tokens at most here, with their template.")
        ids = torch.full((len(every), length), self._tokenizer.pad_token_id)
        real = torch.zeros(ids.shape, dtype=torch.bool)
        for row, own in enumerate(every):
            ids[row, : len(own)], real[row, : len(own)] = torch.tensor(own), True
        return ids, real

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import Qwen2Tokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        return Qwen2Tokenizer.from_pretrained(tokenizer_folder().with_name(TOKENIZER))
