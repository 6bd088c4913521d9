"""DINO and CLIP from the user's folders, through transformers: pictures and words to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from tools.table import Wrong

DINO = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")
CLIP = ("clip",)


class Network:
    def __init__(self, folder: Path, kinds: Sequence[str], device: str) -> None:
        if not (folder / "config.json").is_file():
            raise Wrong(f"{folder} holds no config.json: give a model's folder in transformers' format.")
        kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if kind not in kinds:
            raise Wrong(f"{folder} holds a model of kind {kind!r}; it should be {' or '.join(kinds)}.")
        if not list(folder.glob("*.safetensors")):
            raise Wrong(f"{folder} holds no .safetensors: convert its weights, pickles are not read.")
        self.device, self.name = device, f"{folder.name} ({kind})"
        given = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        given |= {"add_pooling_layer": False} if kind == "vit" else {}  # published ViTs come without one
        model, found = AutoModel.from_pretrained(folder, **given)
        if found["missing_keys"]:
            lost = ", ".join(sorted(found["missing_keys"])[:3])
            raise Wrong(f"The weights in {folder} lack {lost} …: they are not of this model. Get them anew.")
        self.model = model.to(device).eval()
        self.processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)

    def _ready(self, pictures: Sequence[np.ndarray]) -> Tensor:
        return self.processor(images=list(pictures), return_tensors="pt")["pixel_values"].to(self.device)


class Dino(Network):
    """The class token after the last norm."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        super().__init__(folder, DINO, device)

    @torch.inference_mode()
    def pictures(self, pictures: Sequence[np.ndarray]) -> Tensor:
        return self.model(self._ready(pictures)).last_hidden_state[:, 0].float().cpu()


class Clip(Network):
    """The vectors in the space that pictures and words share."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        super().__init__(folder, CLIP, device)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def pictures(self, pictures: Sequence[np.ndarray]) -> Tensor:
        return _vectors(self.model.get_image_features(pixel_values=self._ready(pictures)))

    @torch.inference_mode()
    def words(self, texts: Sequence[str]) -> Tensor:
        longest = self.model.config.text_config.max_position_embeddings
        said = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)
        return _vectors(self.model.get_text_features(said["input_ids"], said["attention_mask"]))


def _vectors(out: object) -> Tensor:
    """transformers 5 wraps them."""
    return (out if isinstance(out, Tensor) else out.pooler_output).float().cpu()
