"""A CLIP object of the host around a table of word vectors."""

from __future__ import annotations

from types import SimpleNamespace

import comfy.sd
import folder_paths
import torch
from comfy.text_encoders.flux import FluxTokenizer
from torch import Tensor, nn


class WordVectors(nn.Module):
    """Tokens of the host's FLUX tokenizer -> one vector each, and their mean as pooled output."""

    def __init__(
        self,
        words: int,
        width: int,
        pooled: int,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        model_options: dict | None = None,
    ) -> None:
        super().__init__()
        self.dtypes = {torch.float32}
        place = {"device": device, "dtype": torch.float32}
        self.words = nn.Embedding(words, width, **place)
        self.pool = nn.Linear(width, pooled, bias=False, **place)

    def set_clip_options(self, options: dict) -> None:
        """Layers and projections: there are none."""

    def reset_clip_options(self) -> None:
        """Nothing was set."""

    def load_sd(self, state: dict[str, Tensor]) -> tuple[list[str], list[str]]:
        return self.load_state_dict(state, strict=False)

    def encode_token_weights(self, tokens: dict) -> tuple[Tensor, Tensor]:
        weight = self.words.weight
        rows = []
        for token, strength in (pair[:2] for batch in tokens["t5xxl"] for pair in batch):
            vector = token.to(weight) if isinstance(token, Tensor) else weight[token]
            if vector.shape == weight.shape[1:]:  # the host leaves vectors of another width out
                rows.append(vector * strength)
        embeddings = torch.stack(rows)[None]
        return embeddings, self.pool(embeddings.mean(1))


def load_clip(state: dict[str, Tensor]) -> comfy.sd.CLIP:
    words, width = state["words.weight"].shape
    sizes = {"words": words, "width": width, "pooled": state["pool.weight"].shape[0]}
    target = SimpleNamespace(params=sizes, clip=WordVectors, tokenizer=FluxTokenizer)
    parameters = sum(t.numel() for t in state.values())
    return comfy.sd.CLIP(
        target,
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=parameters,
        state_dict=[state],
    )
