"""FLUX.2 klein's encoders from a folder in diffusers' format: Qwen3 and FLUX.2's VAE."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from musar_attention.byte_level import as_bytes

from .parts import Parts, pixels_out

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
LAYERS = (9, 18, 27)  # whose outputs make a token of T, side by side
NO_TEXT = "<so>"  # a piece of the template


class KleinEncoder(Parts):
    """The chat template is in T, as ComfyUI has it there; phrases are found in the prompt alone."""

    folders = ("tokenizer", "text_encoder", "vae")
    networks = ("_qwen", "_vae")

    def __init__(self, models: Path, device: str = "cpu", length: int = 512) -> None:
        super().__init__(models, device, length)

    def prompt(self, text: str) -> tuple[Tensor, Tensor]:
        return self._read(text), torch.zeros(0)  # there is no pooled vector

    def words(self, text: str) -> Tensor:
        """With their template: Qwen3 reads forwards, so what it pads with is seen by nobody."""
        return self._read(text)[: len(self._ids(text))].clone()

    def tokens(self, text: str) -> int:
        return max(self.length, len(self._ids(text)))

    def pieces(self, text: str) -> list[str | bytes]:
        whole = TEMPLATE.format(text)
        first = TEMPLATE.index("{}")
        read = self._tokenizer(whole, return_offsets_mapping=True, verbose=False)
        return [
            as_bytes(token) if first <= a and b <= first + len(text) else NO_TEXT
            for token, (a, b) in zip(
                self._tokenizer.convert_ids_to_tokens(read.input_ids), read.offset_mapping
            )
        ]

    @torch.no_grad()
    def image(self, pixels: np.ndarray) -> Tensor:
        latent = self._vae.encode(self.pixels_in(pixels, self._vae.dtype)).latent_dist.mode()
        mean, deviation = self._scale()
        packed = rearrange(latent[0], "c (h p) (w q) -> (c p q) h w", p=2, q=2)
        return ((packed - mean) / deviation).float().cpu()

    @torch.no_grad()
    def picture(self, latent: Tensor) -> np.ndarray:
        mean, deviation = self._scale()
        packed = latent.to(self.device, self._vae.dtype) * deviation + mean
        cells = rearrange(packed, "(c p q) h w -> c (h p) (w q)", p=2, q=2)
        return pixels_out(self._vae.decode(cells[None]).sample[0])

    @torch.no_grad()
    def _read(self, text: str) -> Tensor:
        ids = self._ids(text)
        padding = [self._tokenizer.pad_token_id] * (self.length - len(ids))
        mask = torch.tensor([[1] * len(ids) + [0] * len(padding)], device=self.device)
        seen = self._qwen(
            torch.tensor([ids + padding], device=self.device),
            attention_mask=mask,
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states
        return torch.cat([seen[layer][0] for layer in LAYERS], -1).cpu()

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(TEMPLATE.format(text), verbose=False).input_ids

    def _scale(self) -> tuple[Tensor, Tensor]:
        """The VAE's own statistics of its latents, two by two: means and deviations, C 1 1."""
        norm = self._vae.bn
        variance = norm.running_var + self._vae.config.batch_norm_eps
        return norm.running_mean[:, None, None].to(self._vae.dtype), variance.sqrt()[:, None, None].to(
            self._vae.dtype
        )

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.models / "tokenizer", local_files_only=True)

    @cached_property
    def _qwen(self) -> torch.nn.Module:
        from transformers import Qwen3Model

        return self.load(Qwen3Model, "text_encoder")

    @cached_property
    def _vae(self) -> torch.nn.Module:
        from diffusers import AutoencoderKLFlux2

        return self.load(AutoencoderKLFlux2, "vae")
