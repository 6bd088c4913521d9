"""The description of a family of networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from comfy.model_base import BaseModel
from comfy.sd import CLIP
from torch import Tensor, nn

from .preset import Preset


class Text(Protocol):
    """How the prompt is read: its tokens, and which of them are the user's own words."""

    name: str  # of the encoder, as sentences call it
    keys: tuple[str, ...]  # of its tokens, among those that the host's tokenizer gives: one of these
    loader: str  # what loads it, as sentences say it
    wanted: str  # a sentence: which encoder to load, and with what
    layers: int  # of the encoder, side by side in each vector of T

    def stream(self, tokens: dict) -> list:
        """Of what clip.tokenize gave, the tokens that T is made of, in order."""
        ...

    def pieces(self, clip: CLIP, stream: list) -> list[str | bytes]:
        """The tokens as find_phrases takes them; what the user did not write is written <so>."""
        ...

    def own_length(self, clip: CLIP, stream: list) -> int:
        """Tokens up to the prompt's end token: the rest is padding."""
        ...

    def lead(self, context: Tensor) -> int:
        """How many vectors of T [B,m,·] the host put before what the encoder gave."""
        ...

    def unread(self, pieces: list[str | bytes]) -> str:
        """A sentence where the encoder does not know letters of the prompt, or nothing."""
        ...


@dataclass(frozen=True, eq=False)
class Family:
    name: str
    models: str  # those that can be routed, as sentences list them
    vae: str  # the VAE to load, as sentences name it
    claims: Callable[[BaseModel], bool]  # is it of this family, or so near that it knows what to say?
    refusal: Callable[[BaseModel], str | None]  # a sentence for those of them that cannot be routed
    text: Text
    channels: int  # of a latent
    cell: int  # pixels of a latent's cell, each way
    patch: int  # cells of a token, each way
    planes: int  # that the references of index positions lie apart
    unusable_methods: Mapping[str, str]  # of placing references, as the host names them: why not
    blocks: Mapping[str, str]  # kind, as the host names it: the network's list of them; in running order
    streams: Mapping[str, str]  # pattern of a linear layer's name: the tokens it sees (text, image, joint)
    presets: tuple[Preset, ...]  # for the weights that people have
    layout_until: float  # in which boxes place subjects well; 0 = it was seen to do nothing
    check_lora: Callable[[Mapping[str, Tensor], str], None]  # refuses published files that nothing can use

    @property
    def token(self) -> int:
        """Pixels of a token, each way."""
        return self.cell * self.patch

    def tokens_of(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tokens of a latent; the host pads sides that do not fit."""
        return -(-height // self.patch), -(-width // self.patch)

    def first_blocks(self, network: nn.Module) -> tuple[dict[str, int], int]:
        """Counted through: the first block of each kind, and how many there are of all kinds."""
        first, count = {}, 0
        for kind, name in self.blocks.items():
            first[kind] = count
            count += len(getattr(network, name))
        return first, count

    def preset(self, name: str) -> Preset:
        for preset in self.presets:
            if preset.name == name:
                return preset
        known = ", ".join(repr(preset.name) for preset in self.presets)
        raise ValueError(f"preset is {name!r}, which {self.name} does not have. Choose {known}.")

    def stream_of(self, module: str) -> str | None:
        """Which tokens a linear layer sees; None = not tokens."""
        name = module.removeprefix("diffusion_model.")
        return next((stream for p, stream in self.streams.items() if re.fullmatch(p, name)), None)
