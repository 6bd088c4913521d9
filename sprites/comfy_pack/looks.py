"""A vision encoder small enough for a CPU: pictures of Sprites to hidden states, 2×2 cells a token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE, PATCH = 64, 16  # pixels of what it sees, and of a token
TOKENS = (SIDE // PATCH) ** 2
MEAN = (0.5, 0.5, 0.5)
PREFIX = "vision_model."  # of its keys; those of its pooling head go on with "head."


class Looks(nn.Module):
    """Pictures [B,H,W,3] of 0…1 -> [B,16,width]. The pooling head is not part of it, as in ComfyUI."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.patches = nn.Linear(3 * PATCH**2, width)
        self.places = nn.Parameter(torch.randn(TOKENS, width) * width**-0.5)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // 32, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        return self.read(images)[0]

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The last hidden states, and those before the last layer."""
        x = images[..., :3].movedim(-1, 1)
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, (SIDE, SIDE), mode="area")
        x = (x - 0.5) / 0.5
        x = self.patches(F.unfold(x, PATCH, stride=PATCH).transpose(1, 2)) + self.places
        for layer in self.layers:
            before, x = x, layer(x)
        return self.norm(x), before


def load_looks(state: dict[str, Tensor]) -> Looks:
    """From the tensors of its file."""
    own = {
        key.removeprefix(PREFIX): value.float()
        for key, value in state.items()
        if key.startswith(PREFIX) and not key.startswith(PREFIX + "head.")
    }
    layers = len({key.split(".")[1] for key in own if key.startswith("layers.")})
    looks = Looks(own["places"].shape[1], layers)
    looks.load_state_dict(own)
    return looks.eval().requires_grad_(False)
