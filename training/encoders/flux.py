"""FLUX.1's own encoders from a folder in diffusers' format: T5, CLIP-L and the VAE."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .parts import Parts, pixels_out

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class FluxEncoder(Parts):
    """Each part is loaded when it is first needed, so that a full cache needs none of them."""

    folders = ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2", "vae")
    networks = ("_t5", "_clip", "_vae")

    def __init__(self, models: Path, device: str = "cpu", length: int = 256) -> None:
        super().__init__(models, device, length)

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        return self._read(text), self._pooled(text)

    def words(self, text: str) -> Tensor:
        """Cut out of what was read with its padding, as ComfyUI's encoder reads it: without a mask."""
        return self._read(text)[: len(self.t5_tokens(text))].clone()  # kept, without the rest of it

    def tokens(self, text: str) -> int:
        return max(self.length, len(self.t5_tokens(text)))

    def pieces(self, text: str) -> list[str]:
        return self._t5_tokenizer.convert_ids_to_tokens(self.t5_tokens(text))

    def t5_tokens(self, text: str) -> list[int]:
        return self._t5_tokenizer(text, verbose=False).input_ids

    @torch.no_grad()
    def image(self, pixels: np.ndarray) -> Tensor:
        vae = self._vae
        latent = vae.encode(self.pixels_in(pixels, vae.dtype)).latent_dist.mode()
        scaled = (latent - vae.config.shift_factor) * vae.config.scaling_factor
        return scaled[0].float().cpu()

    @torch.no_grad()
    def picture(self, latent: Tensor) -> np.ndarray:
        vae = self._vae
        latent = latent / vae.config.scaling_factor + vae.config.shift_factor
        return pixels_out(vae.decode(latent[None].to(self.device, vae.dtype)).sample[0])

    @torch.no_grad()
    def _read(self, text: str) -> Tensor:
        ids = self.t5_tokens(text)
        ids += [self._t5_tokenizer.pad_token_id] * (self.length - len(ids))
        return self._t5(torch.tensor([ids], device=self.device)).last_hidden_state[0].cpu()

    @torch.no_grad()
    def _pooled(self, text: str) -> Tensor:
        tokenizer, model = self._clip
        ids = tokenizer(text, truncation=True, max_length=77, padding="max_length", return_tensors="pt")
        return model(ids.input_ids.to(self.device)).pooler_output[0].cpu()

    @cached_property
    def _t5_tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.models / "tokenizer_2", local_files_only=True)

    @cached_property
    def _t5(self) -> torch.nn.Module:
        from transformers import T5EncoderModel

        return self.load(T5EncoderModel, "text_encoder_2")

    @cached_property
    def _clip(self) -> tuple:
        from transformers import CLIPTextModel, CLIPTokenizer

        tokenizer = CLIPTokenizer.from_pretrained(self.models / "tokenizer", local_files_only=True)
        return tokenizer, self.load(CLIPTextModel, "text_encoder")

    @cached_property
    def _vae(self) -> torch.nn.Module:
        from diffusers import AutoencoderKL

        return self.load(AutoencoderKL, "vae")
