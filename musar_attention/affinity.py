"""How much each target token belongs to each subject: S* of the paper, by its phrase (MUSAR Eq. 2–3).

Or by its reference: a model that was trained to copy from references attends to the one that it copies,
and its words may say who is who only behind the phrase, as those of a causal text encoder do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import TokenLayout

OWNERS_BY = PHRASE, REFERENCE = "phrase", "reference"

# Scores a single call may make: a backend that writes them down holds 64 MB of float32.
SCORES = 1 << 24


def phrase_weights(layout: TokenLayout, device: torch.device | str = "cpu") -> Tensor:
    """float32 [1,c,m]: row k spreads 1 evenly over the prompt tokens that name subject k."""
    weights = torch.zeros(1, layout.count, layout.prompt)
    for k, subject in enumerate(layout.subjects):
        if subject.phrase:
            weights[0, k, list(subject.phrase)] = 1 / len(set(subject.phrase))
    return weights.to(device)


def reference_weights(layout: TokenLayout, device: torch.device | str = "cpu") -> Tensor:
    """float32 [1,c,m+r]: row k is 1 on the tokens of reference k, and 0 on T and on the other references."""
    weights = torch.zeros(1, layout.count, layout.prompt + layout.extra_slice.start - layout.X.stop)
    for k in range(layout.count):
        own = layout.CI(k)
        weights[0, k, layout.prompt + own.start - layout.X.stop :][: own.stop - own.start] = 1
    return weights.to(device)


@torch.no_grad()
def affinity(
    q: Tensor, k: Tensor, layout: TokenLayout, phrases: Tensor | None = None, by: str = PHRASE
) -> Tensor:
    """S* of every target token: q, k [B,H,L,D] -> float32 [B,n,c].

    By the phrase: `softmax(Q_X · K_Tᵀ / √d)` over the prompt, averaged over each phrase's tokens and over
    the heads. `phrases` float [B|1,c,m], rows summing to 1, takes the place of the layout's.
    By the reference: softmax over the prompt and all references, summed over each reference's tokens and
    averaged over the heads; phrases are not asked.

    Memory: the average over a phrase is attention whose values are the phrase's weights, so one
    fused call gives Eq. 2 and 3 without writing the n × m scores down. Where torch has no fused
    kernel and does write them, rows go through in chunks of at most `SCORES` scores (64 MB).
    """
    if by not in OWNERS_BY:
        raise ValueError(f"Owners go by {' or '.join(OWNERS_BY)}; found {by!r}.")
    queries, keys = q[:, :, layout.X], k[:, :, layout.T]
    if layout.count == 0:
        return q.new_zeros(len(q), layout.target_length, 0, dtype=torch.float32)
    if by == REFERENCE:
        keys = torch.cat([keys, k[:, :, layout.X.stop : layout.extra_slice.start]], 2)
        return _mean_over_heads(queries, keys, reference_weights(layout, q.device))
    if phrases is None:
        phrases = phrase_weights(layout, q.device)
    return _mean_over_heads(queries, keys, phrases)


def _mean_over_heads(queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """[B,H,n,D], [B,H,m,D] and [B|1,c,m] -> float32 [B,n,c]."""
    batch, heads, _, depth = queries.shape
    count, length = weights.shape[1:]

    # Divided by its peak an even phrase is all 0 and 1: exact in half precision too.
    peak = weights.amax(-1).clamp_min(torch.finfo(weights.dtype).tiny)  # B c
    values = (weights / peak[..., None]).transpose(1, 2)  # B m c
    values = F.pad(values, (0, max(0, depth - count)))  # kernels want values as wide as keys
    values = values.to(queries.dtype)[:, None].expand(batch, heads, -1, -1).contiguous()  # B H m D

    rows = max(1, SCORES // (batch * heads * length))
    chunks = [
        F.scaled_dot_product_attention(chunk, keys, values)[..., :count].float().mean(1)
        for chunk in queries.split(rows, dim=2)
    ]
    return torch.cat(chunks, dim=1) * peak.float()[:, None]
