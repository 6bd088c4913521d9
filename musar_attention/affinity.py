"""How much each target token belongs to each subject: S* of the paper, by its phrase (MUSAR Eq. 2–3).

Or by its reference: a model that was trained to copy from references attends to the one that it copies,
and its words may say who is who only behind the phrase, as those of a causal text encoder do. Or by attention
to all three, prompt, references and the picture itself: heads that look at the picture alone say little.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import TokenLayout

OWNERS_BY = PHRASE, REFERENCE, ATTENTION = "phrase", "reference", "attention"

# At most so many rows and columns of each view's tokens are asked, and of the picture's: an even lattice.
LATTICE = 8
PICTURE = 16

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
def affinity(
    q: Tensor,
    k: Tensor,
    layout: TokenLayout,
    phrases: Tensor | None = None,
    by: str = PHRASE,
    lattice: int = LATTICE,
    picture: int = PICTURE,
) -> Tensor:
    """S* of every target token: q, k [B,H,L,D] -> float32 [B,n,c].

    By the phrase: `softmax(Q_X · K_Tᵀ / √d)` over the prompt, averaged over each phrase's tokens and over
    the heads. `phrases` float [B|1,c,m], rows summing to 1, takes the place of the layout's.
    By the reference: softmax over the prompt and a lattice of each reference's tokens, each of them counted
    as often as there are tokens to one of the lattice, summed over each reference and averaged over the
    heads. Phrases are not asked.
    By attention: the same, over a lattice of the picture's own tokens as well.

    Memory: the average over a phrase is attention whose values are the phrase's weights, so one
    fused call gives Eq. 2 and 3 without writing the n × m scores down. Where torch has no fused
    kernel and does write them, rows go through in chunks of at most `SCORES` scores (64 MB).
    """
    if by not in OWNERS_BY:
        raise ValueError(f"Owners go by {', '.join(OWNERS_BY[:-1])} or {OWNERS_BY[-1]}; found {by!r}.")
    queries, keys = q[:, :, layout.X], k[:, :, layout.T]
    if layout.count == 0:
        return q.new_zeros(len(q), layout.target_length, 0, dtype=torch.float32)
    if by != PHRASE:
        return _by_reference(queries, keys, k, layout, lattice, picture if by == ATTENTION else 0)
    if phrases is None:
        phrases = phrase_weights(layout, q.device)
    return _mean_over_heads(queries, keys, phrases)


def _by_reference(
    queries: Tensor, prompt: Tensor, k: Tensor, layout: TokenLayout, most: int, picture: int
) -> Tensor:
    """`picture`: the lattice of the picture's tokens; 0 = they do not count."""
    views = [view for subject in layout.subjects for view in subject.views]
    parts = [(where, view, most) for where, view in zip(layout.views(), views)]
    if picture:
        parts.append((layout.X, layout.target, picture))
    asked = [_lattice(k[:, :, where], size, at_most) for where, size, at_most in parts]
    keys = torch.cat([prompt, *asked], 2)
    own = torch.zeros(1, len(parts), keys.shape[2], device=k.device)
    start = prompt.shape[2]
    for row, some in zip(own[0], asked):
        row[start : start + some.shape[2]] = 1
        start += some.shape[2]
    stand_for = torch.empty(len(parts), device=k.device)  # filled there: a copy would wait for the device
    for i, ((_, (rows, columns), _), some) in enumerate(zip(parts, asked)):
        stand_for[i] = rows * columns / some.shape[2]
    found = _mean_over_heads(queries, keys, own, stand_for)[..., : len(views)]
    of_subjects = found.split([len(subject.views) for subject in layout.subjects], -1)
    return torch.stack([of_views.sum(-1) for of_views in of_subjects], -1)


def _lattice(tokens: Tensor, size: tuple[int, int], most: int) -> Tensor:
    """[B,H,rows·columns,D] -> those of every so many rows and columns."""
    rows, columns = (-(-length // most) for length in size)
    return tokens.unflatten(2, size)[:, :, rows // 2 :: rows, columns // 2 :: columns].flatten(2, 3)


def _mean_over_heads(
    queries: Tensor, keys: Tensor, weights: Tensor, stand_for: Tensor | None = None
) -> Tensor:
    """[B,H,n,D], [B,H,m,D] and [B|1,c,m] -> float32 [B,n,c].

    `stand_for` [c]: a key that row k weighs counts in the softmax as so many like it; rows are 0 and 1, and
    have no key in common.
    """
    batch, heads, _, depth = queries.shape
    count, length = weights.shape[1:]

    # Divided by its peak an even phrase is all 0 and 1: exact in half precision too.
    peak = weights.amax(-1).clamp_min(torch.finfo(weights.dtype).tiny)  # B c
    values = (weights / peak[..., None]).transpose(1, 2)  # B m c
    values = F.pad(values, (0, max(0, depth - count)))  # kernels want values as wide as keys
    values = values.to(queries.dtype)[:, None].expand(batch, heads, -1, -1).contiguous()  # B H m D

    def one(chunk: Tensor) -> Tensor:
        seen = F.scaled_dot_product_attention(chunk, keys, values)[..., :count].float()  # B H n c
        if stand_for is not None:  # what the softmax would be with every such key so many times
            more = seen * stand_for
            seen = more / (1 + (more - seen).sum(-1, keepdim=True))
        return seen.mean(1)

    places, most = queries.shape[2], max(1, SCORES // (batch * heads * length))
    calls = -(-places // most)
    chunks = queries.split(-(-places // calls), dim=2)  # as long as each other
    return torch.cat([one(chunk) for chunk in chunks], dim=1) * peak.float()[:, None]
