"""Routed attention inside diffusers' FLUX: one attention processor for every block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn
from torch.nn import functional as F

from musar_attention import TokenLayout, affinity, assign, evidence, routed_attention, settled

from .dense import Dense


@dataclass(eq=False)
class Routes:
    """How one call of the model is routed; both off is full attention."""

    layout: TokenLayout
    static: bool = True
    dynamic: bool = True
    accumulate: bool = True  # owners by the evidence of all layers so far; False: of each layer alone
    phrases: Tensor | None = None  # float [B,c,m], rows sum to 1; None = the layout's
    rule: str = "raw"  # of evidence
    owners_by: str = "phrase"  # or reference, or attention
    dense: Dense | None = None  # one masked call, not the split ones: for small sizes and torch.compile
    places: dict[int, int] = field(default_factory=dict)  # of layers, in the order of the call
    found: list[Tensor] = field(default_factory=list)  # evidence, up to each layer

    def owner(self, layer: nn.Module, q: Tensor, k: Tensor) -> Tensor | None:
        """int64 [B,n]. A layer that runs again, in the backward pass of a checkpoint, gets the same."""
        if not (self.dynamic and self.layout.count):
            return None
        with torch.no_grad():
            if settled(self.layout):
                return torch.zeros(len(q), self.layout.target_length, dtype=torch.int64, device=q.device)
            place = self.places.setdefault(id(layer), len(self.places))
            before = self.found[place - 1] if self.accumulate and place else None
            here = affinity(q, k, self.layout, self.phrases, self.owners_by)
            self.found[place : place + 1] = [evidence(here, before, self.rule)]
            return assign(self.found[place])


# layer, queries before RoPE [B,L,H,D] and what attention gave [B,L,H·D] -> what it is with the addition
Beside = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Router:
    """Takes over attention in every block of `flux`.

    `routes` are those of the latest call, and stay: a checkpoint runs blocks again afterwards.
    """

    def __init__(self, flux: nn.Module) -> None:
        self.routes: Routes | None = None
        self.beside: Beside | None = None  # a study may add to the picture's attention
        for layer in flux.modules():
            if hasattr(layer, "to_qkv_mlp_proj"):
                layer.set_processor(ParallelProcessor(self))
            elif hasattr(layer, "set_processor"):
                layer.set_processor(RoutedProcessor(self))

    def attention(self, layer: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """All [B,H,L,D]."""
        routes = self.routes
        if routes is None:
            return F.scaled_dot_product_attention(q, k, v)
        owner = self.owner(layer, q, k)
        if routes.dense is None:
            return routed_attention(q, k, v, routes.layout, owner, routes.static)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=routes.dense.mask(owner))

    @torch.compiler.disable  # one compiled block serves all layers, and only this part knows which it is
    def owner(self, layer: nn.Module, q: Tensor, k: Tensor) -> Tensor | None:
        return self.routes.owner(layer, q, k)


class RoutedProcessor:
    """What diffusers calls for attention: q, k, v, norms and RoPE here, the rest by the router."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if attention_mask is not None:
            raise ValueError("Routed attention takes no attention mask: Router.routes say who sees whom.")
        heads = (-1, attn.head_dim)
        q = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, heads))
        k = attn.norm_k(attn.to_k(hidden_states).unflatten(-1, heads))
        v = attn.to_v(hidden_states).unflatten(-1, heads)
        if encoder_hidden_states is not None:  # a double block: the text stream goes in front
            text = encoder_hidden_states
            q = torch.cat([attn.norm_added_q(attn.add_q_proj(text).unflatten(-1, heads)), q], 1)
            k = torch.cat([attn.norm_added_k(attn.add_k_proj(text).unflatten(-1, heads)), k], 1)
            v = torch.cat([attn.add_v_proj(text).unflatten(-1, heads), v], 1)
        unplaced = q
        if image_rotary_emb is not None:
            q = apply_rotary_emb(q, image_rotary_emb, sequence_dim=1)
            k = apply_rotary_emb(k, image_rotary_emb, sequence_dim=1)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # B L H D -> B H L D
        out = self.router.attention(attn, q, k, v).transpose(1, 2).flatten(2).to(hidden_states.dtype)
        if self.router.beside is not None:
            out = self.router.beside(attn, unplaced, out)
        if encoder_hidden_states is None:
            return out
        text, image = out.split([encoder_hidden_states.shape[1], hidden_states.shape[1]], 1)
        return attn.to_out[1](attn.to_out[0](image)), attn.to_add_out(text)


class ParallelProcessor:
    """Of FLUX.2's single blocks, whose attention layer holds the MLP too: one product in, one out."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        if attention_mask is not None:
            raise ValueError("Routed attention takes no attention mask: Router.routes say who sees whom.")
        joint = attn.to_qkv_mlp_proj(hidden_states)
        qkv, mlp = joint.split([3 * attn.inner_dim, joint.shape[-1] - 3 * attn.inner_dim], -1)
        q, k, v = (t.unflatten(-1, (-1, attn.head_dim)) for t in qkv.chunk(3, -1))
        q, k = attn.norm_q(q), attn.norm_k(k)
        if image_rotary_emb is not None:
            q = apply_rotary_emb(q, image_rotary_emb, sequence_dim=1)
            k = apply_rotary_emb(k, image_rotary_emb, sequence_dim=1)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # B L H D -> B H L D
        out = self.router.attention(attn, q, k, v).transpose(1, 2).flatten(2).to(hidden_states.dtype)
        return attn.to_out(torch.cat([out, attn.mlp_act_fn(mlp)], -1))
