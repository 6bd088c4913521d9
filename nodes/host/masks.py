"""Attention masks of other nodes (Redux), which know only T and X."""

from __future__ import annotations

import torch
from torch import Tensor

from ...musar_attention import TokenLayout


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask [L,L], [B,L,L] or [B,H,L,L] as a four-dimensional float to add to the scores."""
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))
    if mask.ndim == 3:
        mask = mask.unsqueeze(1)  # B L L -> B 1 L L
    return mask.to(dtype)


def extend_mask(mask: Tensor, layout: TokenLayout) -> Tensor:
    """A mask over T and X becomes one over the whole sequence; conditions are left free."""
    known = layout.prompt + layout.target_length
    if mask.shape[-2:] != (known, known):
        raise ValueError(
            f"The conditioning carries an attention mask of {mask.shape[-2]} × {mask.shape[-1]} "
            f"tokens, and prompt and picture have {known}. Remove the node that set the mask."
        )
    mask = additive(mask, mask.dtype if mask.is_floating_point() else torch.float32)
    out = mask.new_zeros(*mask.shape[:-2], layout.length, layout.length)
    places = torch.cat([torch.arange(s.start, s.stop) for s in (layout.T, layout.X)]).to(mask.device)
    out[..., places[:, None], places] = mask
    return out
