"""An image adapter of InstantX's shape beside diffusers' FLUX: what *MUSAR AnyMS Layout* does in ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyms_attention import mlp_tokens, on_top, rms_norm, stacked
from musar_attention import Box, inside_boxes
from training.network.routing import Router


class Adapter(nn.Module):
    """Its parameters' names are the keys of InstantX's file."""

    def __init__(self, sees: int, inner: int, tokens: int, width: int, layers: Sequence[int]) -> None:
        """`layers`: the width of the base in each."""
        super().__init__()
        self.image_proj = nn.ModuleDict(
            {
                "proj": nn.Sequential(nn.Linear(sees, inner), nn.GELU(), nn.Linear(inner, tokens * width)),
                "norm": nn.LayerNorm(width),
            }
        )
        self.ip_adapter = nn.ModuleList(
            nn.ModuleDict({f"to_{part}_ip": nn.Linear(width, hidden, bias=False) for part in "kv"})
            for hidden in layers
        )

    def tokens(self, embeds: Tensor) -> Tensor:
        """[B,e] -> [B,t,w]"""
        return mlp_tokens(embeds, dict(self.image_proj.named_parameters()))


def new_adapter(state: dict[str, Tensor]) -> Adapter:
    """Of a file."""
    inner, sees = state["image_proj.proj.0.weight"].shape
    width = len(state["image_proj.norm.weight"])
    layers = [len(t) for name, t in state.items() if name.endswith("to_k_ip.weight")]
    adapter = Adapter(sees, inner, len(state["image_proj.proj.2.bias"]) // width, width, layers)
    adapter.load_state_dict({name: value.float() for name, value in state.items()})
    return adapter.eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the pictures of a batch see beside their prompts."""

    tokens: Tensor  # B c t w: of each subject
    share: Tensor  # B c n, 0 or 1: which target tokens see whom


class Beside:
    """In every block of `flux`: Z_image on the rows of the target, before the output projection."""

    def __init__(self, flux: nn.Module, router: Router, adapter: Adapter) -> None:
        blocks = [*flux.transformer_blocks, *flux.single_transformer_blocks]
        for block, layer in zip(blocks, adapter.ip_adapter, strict=True):
            block.attn.image = layer
        self.router, self.adapter, self.seen = router, adapter, None
        router.beside = self

    def __call__(self, attn: nn.Module, q: Tensor, out: Tensor) -> Tensor:
        if self.seen is None:
            return out
        tokens, share = self.seen.tokens, self.seen.share
        routes, count = self.router.routes, share.shape[-1]
        start = q.shape[1] - count if routes is None else routes.layout.X.start
        k, v = (
            rms_norm(attn.image[f"to_{part}_ip"](tokens).unflatten(-1, (q.shape[2], -1)).transpose(2, 3))
            for part in "kv"
        )  # B c H t D
        own = q[:, start : start + count].transpose(1, 2)[:, None]  # B 1 H n D
        z = F.scaled_dot_product_attention(own.expand(-1, k.shape[1], -1, -1, -1), k, v)
        z = (z * share[:, :, None, :, None]).sum(1)  # B H n D
        z = z.transpose(1, 2).flatten(2).to(out.dtype)
        return out + F.pad(z, (0, 0, start, out.shape[1] - start - count))


def shares(boxes: Sequence[Box], target: tuple[int, int], merge: str) -> Tensor:
    """[c,n] of 0 and 1, or for `joint` [1,n]: there all subjects' tokens are one's."""
    inside = inside_boxes(boxes, target)[0]
    if merge == "joint":
        return torch.ones(1, len(inside))
    if merge == "sum":
        return inside.T.float()
    sizes = [round((b.right - b.left) * (b.bottom - b.top), 9) for b in boxes]
    top = on_top(inside, stacked(sizes, [0.0] * len(boxes)))
    return (top == torch.arange(len(boxes))[:, None]).float()
