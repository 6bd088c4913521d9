"""A text encoder in three tables: words, positions, and a projection for the pooled vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAD = 0  # T5's


class WordVectors(nn.Module):
    """Tokens of the host's FLUX tokenizer -> word + position for each, and a projected mean.

    Trailing padding is cut to a multiple of `step` tokens, which the file brings.
    """

    def __init__(
        self,
        words: int,
        width: int,
        pooled: int,
        places: int,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        model_options: dict | None = None,
    ) -> None:
        super().__init__()
        self.dtypes = {torch.float32}
        place = {"device": device, "dtype": torch.float32}
        self.words = nn.Embedding(words, width, **place)
        self.positions = nn.Embedding(places, width, **place)
        self.pool = nn.Linear(width, pooled, bias=False, **place)
        self.register_buffer("step", torch.tensor(1))

    def set_clip_options(self, options: dict) -> None:
        """Layers and projections: there are none."""

    def reset_clip_options(self) -> None:
        """Nothing was set."""

    def load_sd(self, state: dict[str, Tensor]) -> tuple[list[str], list[str]]:
        return self.load_state_dict(state, strict=False)

    def encode_token_weights(self, tokens: dict) -> tuple[Tensor, Tensor]:
        return self.encode([pair for batch in tokens["t5xxl"] for pair in batch])

    def encode(self, stream: list) -> tuple[Tensor, Tensor]:
        """(token or vector, strength) pairs -> [1, tokens, width], [1, pooled]."""
        weight = self.words.weight
        real = max((i for i, (token, *_) in enumerate(stream) if not is_pad(token)), default=0) + 1
        length = -(-real // int(self.step)) * int(self.step)
        stream = [*stream, *[(PAD, 1.0)] * (length - len(stream))][:length]
        rows = []
        for token, strength, *_ in stream:
            vector = token.to(weight) if isinstance(token, Tensor) else weight[token]
            if vector.shape == weight.shape[1:]:  # the host leaves vectors of another width out
                rows.append(vector * strength)
        embeddings = (torch.stack(rows) + self.positions.weight[: len(rows)])[None]
        return embeddings, self.pool(embeddings[:, :real].mean(1))


def is_pad(token: int | Tensor) -> bool:
    return not isinstance(token, Tensor) and token == PAD
