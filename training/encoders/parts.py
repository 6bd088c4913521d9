"""Encoders that a folder in diffusers' format holds: each part is loaded when it is first needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

BEGINNING = 1 << 20  # bytes of a file that tell it from another


class Parts:
    folders: tuple[str, ...]  # of the encoders and their tokenizers
    networks: tuple[str, ...]  # attributes that hold what was loaded

    def __init__(self, models: Path, device: str, length: int) -> None:
        """`length` is that of T: ComfyUI pads prompts to so many tokens."""
        for folder in self.folders:
            if not (models / folder).is_dir():
                raise ValueError(
                    f"models is {models}, which holds no {folder}. Give a folder in diffusers' format."
                )
        self.models, self.device, self.length = models, torch.device(device), length

    def free(self) -> None:
        for name in self.networks:
            self.__dict__.pop(name, None)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def fingerprint(self) -> str:
        """By the names, sizes and beginnings of the files: headers, mostly, and some weights."""
        digest = hashlib.sha256(str(self.length).encode())
        for part in self.folders:
            for file in sorted(p for p in (self.models / part).glob("*") if p.is_file()):
                with file.open("rb") as f:
                    start = f.read(BEGINNING)
                digest.update(f"{part}/{file.name} {file.stat().st_size} ".encode() + start)
        return digest.hexdigest()

    def load(self, kind: type, folder: str) -> nn.Module:
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        model = kind.from_pretrained(self.models / folder, torch_dtype=dtype, local_files_only=True)
        return model.to(self.device).eval().requires_grad_(False)

    def pixels_in(self, pixels: np.ndarray, dtype: torch.dtype) -> Tensor:
        """H W 3 of 0 … 255 -> 1 3 H W of -1 … 1."""
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(self.device, dtype) / 127.5 - 1


def pixels_out(image: Tensor) -> np.ndarray:
    """3 H W of -1 … 1 -> H W 3 of 0 … 255."""
    return (image.permute(1, 2, 0).float() * 127.5 + 127.5).clamp(0, 255).round().byte().cpu().numpy()
