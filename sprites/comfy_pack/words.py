"""A text encoder in four tables: words, positions, things, and a projection for the pooled vector.

Where the file brings matrices for it, every word also takes up what stands before it and behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAD = 0  # T5's
SHRINK = 0.85  # keeps the vectors about as long as they were


class WordVectors(nn.Module):
    """Tokens of the host's FLUX tokenizer -> word + position + thing for each, and a projected mean.

    A thing begins at each of the `articles` (a, an, another, the) and lasts to the next, so that words
    of the first thing can be told from words of the second, as a real encoder's context would tell.
    Trailing padding is cut to a multiple of `step` tokens. The file brings all of this. In each round
    of `mix` a token's vector becomes a sum of itself, of those before it and of those behind it, the
    nearer the stronger, each side through a matrix of its own.
    """

    def __init__(
        self,
        words: int,
        width: int,
        pooled: int,
        places: int,
        things: int,
        articles: int,
        rounds: int = 0,
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
        self.things = nn.Embedding(things, width, **place)
        self.register_buffer("articles", torch.zeros(articles, dtype=torch.int64))
        self.register_buffer("step", torch.tensor(1))
        if rounds:
            self.register_buffer("mix", torch.zeros(rounds, 2, width, width))
            self.register_buffer("near", torch.tensor(0.0))  # how much the next token counts for the last

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
        vectors = [(token.to(weight) if isinstance(token, Tensor) else weight[token]) for token, *_ in stream]
        # as the host does, leave vectors of another width out
        kept = [i for i, vector in enumerate(vectors) if vector.shape == weight.shape[1:]]
        rows = [vectors[i] * stream[i][1] for i in kept]
        embeddings = torch.stack(rows) + self.positions.weight[: len(rows)]
        pooled = self.pool(embeddings[:real].mean(0))
        embeddings = embeddings + self.things.weight[self.thing_of([stream[i] for i in kept])]
        return self.mixed(embeddings)[None], pooled[None]

    def mixed(self, rows: Tensor) -> Tensor:
        """[tokens, width]: with their neighbours in them."""
        if not hasattr(self, "mix"):
            return rows
        far = torch.arange(len(rows))
        weight = torch.where(far[:, None] > far, self.near ** (far[:, None] - far), 0.0)
        for before, behind in self.mix:
            rows = (rows + weight @ rows @ before + weight.T @ rows @ behind) * SHRINK
        return rows

    def thing_of(self, stream: list) -> Tensor:
        """int64, for each token: how many articles came, up to the last row of the table."""
        articles = set(self.articles.tolist())
        begins = [not isinstance(token, Tensor) and token in articles for token, *_ in stream]
        return torch.tensor(begins).cumsum(0).clamp(max=self.things.num_embeddings - 1)


def is_pad(token: int | Tensor) -> bool:
    return not isinstance(token, Tensor) and token == PAD
