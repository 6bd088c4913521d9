"""S*, how much each target token belongs to each subject's phrase (MUSAR Eq. 2–3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import TokenLayout

# Scores a single call may make: a backend that writes them down holds 64 MB of float32.
SCORES = 1 << 24


def phrase_weights(layout: TokenLayout, device: torch.device | str = "cpu") -> Tensor:
    """float32 [1,c,m]: row k spreads 1 evenly over the prompt tokens that name subject k."""
    weights = torch.zeros(1, layout.count, layout.prompt)
    for k, subject in enumerate(layout.subjects):
        if subject.phrase:
            weights[0, k, list(subject.phrase)] = 1 / len(set(subject.phrase))
    return weights.to(device)


@torch.no_grad()
def affinity(q: Tensor, k: Tensor, layout: TokenLayout, phrases: Tensor | None = None) -> Tensor:
    """S* of every target token: q, k [B,H,L,D] -> float32 [B,n,c].

    `softmax(Q_X · K_Tᵀ / √d)` over the prompt, averaged over each phrase's tokens and over the
    heads. `phrases` float [B|1,c,m], rows summing to 1, takes the place of the layout's.

    Memory: the average over a phrase is attention whose values are the phrase's weights, so one
    fused call gives Eq. 2 and 3 without writing the n × m scores down. Where torch has no fused
    kernel and does write them, rows go through in chunks of at most `SCORES` scores (64 MB).
    """
    if phrases is None:
        phrases = phrase_weights(layout, q.device)
    batch, heads, _, depth = q.shape
    count, prompt = phrases.shape[1:]
    if count == 0:
        return q.new_zeros(batch, layout.target_length, 0, dtype=torch.float32)

    # Divided by its peak an even phrase is all 0 and 1: exact in half precision too.
    peak = phrases.amax(-1).clamp_min(torch.finfo(phrases.dtype).tiny)  # B c
    values = (phrases / peak[..., None]).transpose(1, 2)  # B m c
    values = F.pad(values, (0, max(0, depth - count)))  # kernels want values as wide as keys
    values = values.to(q.dtype)[:, None].expand(batch, heads, -1, -1).contiguous()  # B H m D

    queries, keys = q[:, :, layout.X], k[:, :, layout.T]
    rows = max(1, SCORES // (batch * heads * prompt))
    chunks = [
        F.scaled_dot_product_attention(chunk, keys, values)[..., :count].float().mean(1)
        for chunk in queries.split(rows, dim=2)
    ]
    return torch.cat(chunks, dim=1) * peak.float()[:, None]
