"""From what a vision encoder saw to image tokens, as each kind of adapter was trained to make them.

`weights` are those of the projection alone, by their names in the adapter's file.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
HEAD = 64  # width of a resampler's head
SIGLIP_HEADS = 16
EPSILON = 1e-5


def linear_tokens(embeds: Tensor, weights: Weights) -> Tensor:
    """Pooled [B,e] -> [B,t,w]: one linear layer, cut into tokens, each normalised."""
    return _cut(F.linear(embeds, weights["proj.weight"], weights["proj.bias"]), weights)


PIECE = 4096  # rows of a large layer at a time


def mlp_tokens(embeds: Tensor, weights: Weights) -> Tensor:
    """Pooled [B,e] -> [B,t,w]: two linear layers, GELU between them, cut into tokens, each normalised."""
    hidden = F.gelu(F.linear(embeds, weights["proj.0.weight"], weights["proj.0.bias"]))
    # the second is gigabytes, perhaps of half precision: never a whole copy of it
    parts = zip(*(weights[f"proj.2.{name}"].split(PIECE) for name in ("weight", "bias")))
    made = [F.linear(hidden, weight.to(hidden), bias.to(hidden)) for weight, bias in parts]
    return _cut(torch.cat(made, -1), weights)


def resampled_tokens(states: Tensor, weights: Weights) -> Tensor:
    """Hidden states [B,p,e] -> [B,t,w]: learned latents read them, layer by layer."""
    x = _linear(states, weights, "proj_in")
    latents = weights["latents"].expand(len(x), -1, -1)
    layer = 0
    while f"layers.{layer}.0.to_q.weight" in weights:
        latents = latents + _read(x, latents, weights, f"layers.{layer}.0")
        latents = latents + _feed_forward(latents, weights, f"layers.{layer}.1")
        layer += 1
    return _norm(_linear(latents, weights, "proj_out"), weights, "norm_out")


def pooled_by_probe(states: Tensor, weights: Weights) -> Tensor:
    """Hidden states [B,p,e] -> pooled [B,e]: SigLIP's own head, a learned query and a small network."""
    probe = weights["probe"].expand(len(states), -1, -1)
    q, k, v = zip(*(weights[f"attention.in_proj_{part}"].chunk(3) for part in ("weight", "bias")))
    q, k, v = F.linear(probe, *q), F.linear(states, *k), F.linear(states, *v)
    width = q.shape[-1] // SIGLIP_HEADS
    q, k, v = (t.unflatten(-1, (-1, width)).transpose(1, 2) for t in (q, k, v))  # B L (H D) -> B H L D
    read = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    read = _linear(read, weights, "attention.out_proj")
    weight, bias = weights["layernorm.weight"], weights["layernorm.bias"]
    hidden = F.layer_norm(read, weight.shape, weight, bias, 1e-6)
    hidden = F.gelu(_linear(hidden, weights, "mlp.fc1"), approximate="tanh")
    return (read + _linear(hidden, weights, "mlp.fc2"))[:, 0]


def rms_norm(x: Tensor) -> Tensor:
    """Each head of a key or a value at mean square 1, without weights: [...,D]."""
    return F.rms_norm(x, x.shape[-1:], eps=EPSILON)


def _cut(flat: Tensor, weights: Weights) -> Tensor:
    """[B,t·w] -> [B,t,w], normalised"""
    return _norm(flat.unflatten(1, (-1, len(weights["norm.weight"]))), weights, "norm")


def _read(x: Tensor, latents: Tensor, weights: Weights, at: str) -> Tensor:
    """Latents attend to the picture and to themselves."""
    x, latents = _norm(x, weights, f"{at}.norm1"), _norm(latents, weights, f"{at}.norm2")
    q = _linear(latents, weights, f"{at}.to_q")
    k, v = _linear(torch.cat([x, latents], 1), weights, f"{at}.to_kv").chunk(2, -1)
    q, k, v = (t.unflatten(-1, (-1, HEAD)).transpose(1, 2) for t in (q, k, v))  # B L (H D) -> B H L D
    read = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return _linear(read, weights, f"{at}.to_out")


def _feed_forward(x: Tensor, weights: Weights, at: str) -> Tensor:
    return _linear(F.gelu(_linear(_norm(x, weights, f"{at}.0"), weights, f"{at}.1")), weights, f"{at}.3")


def _linear(x: Tensor, weights: Weights, at: str) -> Tensor:
    return F.linear(x, weights[f"{at}.weight"], weights.get(f"{at}.bias"))


def _norm(x: Tensor, weights: Weights, at: str) -> Tensor:
    weight = weights[f"{at}.weight"]
    return F.layer_norm(x, weight.shape, weight, weights[f"{at}.bias"], EPSILON)
