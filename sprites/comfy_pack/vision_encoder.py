"""A CLIP_VISION object around the network of looks.py: what Load CLIP Vision's gives of a picture."""

from __future__ import annotations

import comfy.clip_vision
import torch
from torch import Tensor

from .looks import MEAN, load_looks


class DemoVisionEncoder:
    """Small enough to stay on the CPU, and so outside the host's memory manager."""

    image_mean = list(MEAN)

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.looks = load_looks(state)

    @torch.no_grad()
    def encode_image(self, image: Tensor, crop: bool = True) -> comfy.clip_vision.Output:
        """[B,H,W,3], seen whole and as a square; `crop` changes nothing."""
        output = comfy.clip_vision.Output()
        last, before = self.looks.read(image.float().cpu())
        output["last_hidden_state"], output["penultimate_hidden_states"] = last, before
        output["image_embeds"] = output["mm_projected"] = None
        return output
