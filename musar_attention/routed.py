"""Routed attention without masks: the table in mask.py as one dense call per kind of query.

Each kind of query sees a fixed set of keys, so no L × L mask is ever made and every attention
backend runs at full speed. Target tokens are sorted by owner, attended subject by subject, and
put back in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .columns import Columns, Parts, sizes, take
from .layout import TokenLayout

Attend = Callable[..., Tensor]
Rows = list[list[Tensor | Parts]]  # of nobody, subject 0, 1, …: sample by sample


def routed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: TokenLayout,
    owner: Tensor | int | None = None,
    static: bool = True,
    attend: Attend | None = None,
    mask: Tensor | None = None,
    strength: Sequence[float] | None = None,
    silent: Sequence[bool] = (),
) -> Tensor:
    """Attention along the routes: q, k, v [B,H,L,D] -> [B,H,L,D].

    q may end behind X: then references only give keys and values, kept from an earlier step.
    `owner` int64 [B,n] routes target tokens (−1 = to no subject); None = to every subject. A number routes
    them all to one: known beforehand, nobody has to wait for the device to say it.
    `attend(q, k, v)` does one dense call, all [B,H,·,D], and never gets an empty query.
    `mask`, additive float that broadcasts to [B,H,L,L], is added to the scores: `attend(q, k, v,
    mask)` then gets the part that belongs to its rows and columns.
    `strength[i]` blends what tokens of subject i see: 0 = without their condition, 1 = with it.
    `silent`, of each sample: its prompt says nothing, so no phrase is held there; its tokens are nobody's.
    """
    _check(q, k, v, layout, owner)
    call = _Call(attend or _attend, mask, layout.length, q.device)
    everything = [slice(0, layout.length)]
    if layout.count == 0 or (owner is None and not static):
        return call(q, k, v, _until(everything, q.shape[2]), everything)

    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v))
    columns = Columns(k, v, layout, keep)
    batch, heads, queries = q.shape[:3]
    out = q.new_empty(batch, queries, heads, v.shape[-1]).transpose(1, 2)  # as a layer takes it on

    def fill(rows: Parts, kk: Tensor, vv: Tensor, columns: Parts) -> None:
        rows = _until(rows, q.shape[2])
        if not rows:
            return
        result = call(take(q, rows), kk, vv, rows, columns)
        for part, piece in zip(rows, result.split(sizes(rows), 2)):
            out[:, :, part] = piece

    if static:
        fill([layout.T, layout.extra_slice], *columns.common())
        if owner is None:
            fill([layout.X], k, v, everything)
    else:
        others = [slice(0, layout.X.start), slice(layout.X.stop, layout.length)]
        fill(others, k, v, everything)

    owned = None if owner is None else _rows_by_owner(owner, layout, batch)
    for i in range(-1, layout.count):
        s = 0.0 if i < 0 else 1.0 if strength is None else float(strength[i])
        if i >= 0 and static:
            fill(columns.own[i], *columns.condition(i))
        for b, rows in enumerate(owned[i + 1] if owned else ()):
            if len(rows) == 0:
                continue
            asked = _rows(q, b, rows)
            if s != 0:
                kk, vv, seen = columns.subject(i)
                piece = call(asked, kk[b : b + 1], vv[b : b + 1], rows, seen, b)
            if s != 1:
                whole = i < 0 and silent and silent[b]
                kk, vv, seen = columns.common() if whole else columns.without(i)
                plain = call(asked, kk[b : b + 1], vv[b : b + 1], rows, seen, b)
                piece = plain if s == 0 else torch.lerp(plain, piece, s)
            if isinstance(rows, Tensor):
                out[b, :, rows] = piece[0]  # index_copy_ is slow on Apple's GPUs, or missing
            else:
                out[b, :, rows[0]] = piece[0]
    return out


def _check(q: Tensor, k: Tensor, v: Tensor, layout: TokenLayout, owner: Tensor | int | None) -> None:
    lengths = [t.shape[2] if t.ndim == 4 else None for t in (q, k, v)]
    if lengths[0] == layout.X.stop:
        lengths[0] = layout.length
    if set(lengths) != {layout.length}:
        raise ValueError(
            f"The layout has {layout.length} tokens, and q, k and v have {', '.join(map(str, lengths))}: all "
            f"are [B, H, {layout.length}, D]. Found {[*q.shape]}, {[*k.shape]} and {[*v.shape]}."
        )
    if (*q.shape[:2], q.shape[3]) != (*k.shape[:2], k.shape[3]) or v.shape[:3] != k.shape[:3]:
        raise ValueError(
            "q and k have one shape, and v all of it but its depth. Found "
            f"{[*q.shape]}, {[*k.shape]} and {[*v.shape]}."
        )
    places = (len(q), layout.target_length)
    if isinstance(owner, Tensor) and owner.shape != places:
        raise ValueError(f"Owners are {[*places]}, one per target token; found {[*owner.shape]}.")


def _rows_by_owner(owner: Tensor | int, layout: TokenLayout, batch: int) -> Rows:
    """Places in the sequence of each one's target tokens; X itself where all of a sample's are one's."""
    n, count = layout.target_length, layout.count
    if isinstance(owner, int):
        return [[[layout.X] if k == owner else []] * batch for k in range(-1, count)]
    ids = torch.arange(-1, count, device=owner.device)
    sizes = (owner[..., None] == ids).sum(1).tolist()  # the one wait for the device
    if any(sum(of_sample) != n for of_sample in sizes):
        raise ValueError(f"Owners lie in -1 … {count - 1}.")
    split: list[Sequence[Tensor | Parts]] = []
    for of_sample, owners in zip(sizes, owner):
        if n in of_sample:
            split.append([[layout.X] if size else [] for size in of_sample])
        else:
            split.append((owners.argsort(stable=True) + layout.X.start).split(of_sample))
    return [[rows[i] for rows in split] for i in range(count + 1)]


def _rows(t: Tensor, b: int, rows: Tensor | Parts) -> Tensor:
    """Of one sample."""
    sample = t[b : b + 1]
    return sample.index_select(2, rows) if isinstance(rows, Tensor) else take(sample, rows)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _until(rows: Parts, end: int) -> Parts:
    """Those of the rows that there are."""
    clipped = [slice(part.start, min(part.stop, end)) for part in rows]
    return [part for part in clipped if part.stop > part.start]


class _Call:
    """`attend`, with the rows and columns of the mask that belong to one call, if there is one."""

    def __init__(self, attend: Attend, mask: Tensor | None, length: int, device: torch.device):
        self.attend, self.mask = attend, mask
        if mask is not None:
            self.mask = mask[(None,) * (4 - mask.ndim)].expand(-1, -1, length, length)
            self.places = torch.arange(length, device=device)

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, rows: Parts | Tensor, columns: Parts, b: int = 0
    ) -> Tensor:
        if self.mask is None:
            return self.attend(q, k, v)
        mask = self.mask
        if mask.shape[0] > q.shape[0]:  # one sample's call
            mask = mask[b : b + 1]
        if not isinstance(rows, Tensor):
            rows = torch.cat([self.places[part] for part in rows])
        columns = torch.cat([self.places[part] for part in columns])
        return self.attend(q, k, v, mask[:, :, rows[:, None], columns])
