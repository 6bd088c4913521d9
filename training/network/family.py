"""What differs from FLUX.1 to FLUX.2, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import diffusers
from torch import Tensor, nn


@dataclass(frozen=True)
class Family:
    name: str
    network: str  # diffusers' class
    axes: int  # of position ids: plane, row, column, and FLUX.2's place in the text
    plane: int  # from one reference's plane to the next's, where positions are by index
    pooled: bool  # is a pooled vector of the prompt read?
    embedding: str  # the network's part that embeds the time
    width: int  # of a token of a picture
    shift: float  # of ComfyUI's sampler

    @property
    def kind(self) -> type[nn.Module]:
        found = getattr(diffusers, self.network, None)
        if found is None:
            raise ValueError(f"{self.name} needs a newer diffusers, which has {self.network}. Upgrade it.")
        return found


FLUX1 = Family("FLUX.1", "FluxTransformer2DModel", 3, 1, True, "time_text_embed", 64, 1.15)
FLUX2 = Family("FLUX.2", "Flux2Transformer2DModel", 4, 10, False, "time_guidance_embed", 128, 2.02)
FAMILIES = (FLUX1, FLUX2)


def family_of(network: nn.Module) -> Family:
    return named(type(network).__name__)


def named(network: str) -> Family:
    """By diffusers' class. ValueError: it cannot be trained."""
    for family in FAMILIES:
        if family.network == network.removeprefix("FSDP"):
            return family
    raise ValueError(f"base is a {network}, and MUSAR trains {' and '.join(f.name for f in FAMILIES)}.")


def family_by(tokens: Tensor) -> Family:
    """Of a picture's tokens, B n width."""
    return next(family for family in FAMILIES if family.width == tokens.shape[-1])


def patch_of(latent: Tensor) -> int:
    """Cells of a token each way, of B C H W: FLUX.1 packs two by two, FLUX.2's VAE has done so already."""
    return 2 if latent.shape[-3] == 16 else 1
