"""Image tokens of each kind of adapter, at true shapes, against independent networks."""

import pytest
import torch
from diffusers.loaders.transformer_flux import FluxTransformer2DLoadersMixin
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from torch import nn
from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipMultiheadAttentionPoolingHead

from anyms_attention import linear_tokens, mlp_tokens, pooled_by_probe, resampled_tokens, rms_norm

from .cases import distance, random


def normal(shapes, seed=0):
    """Random weights by name: matrices that keep activations about their size, all else near 1 and 0."""
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=g)
        if len(shape) == 2:
            value *= shape[1] ** -0.5
        elif len(shape) == 1:
            value = value * 0.1 + ("norm" in name or name.endswith("1.0.weight")) * name.endswith("weight")
        out[name] = value
    return out


def linear_shapes(tokens, width, embed):
    return {
        "proj.weight": (tokens * width, embed),
        "proj.bias": (tokens * width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }


def resampler_shapes(embed=1280, width=1280, out=2048, tokens=16, layers=4):
    shapes = {"latents": (1, tokens, width), "proj_in.weight": (width, embed), "proj_in.bias": (width,)}
    shapes |= {"proj_out.weight": (out, width), "proj_out.bias": (out,)}
    shapes |= {"norm_out.weight": (out,), "norm_out.bias": (out,)}
    for i in range(layers):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            shapes |= {f"layers.{i}.{norm}.{part}": (width,) for part in ("weight", "bias")}
        shapes |= {f"layers.{i}.0.to_q.weight": (width, width), f"layers.{i}.0.to_out.weight": (width, width)}
        shapes |= {f"layers.{i}.0.to_kv.weight": (2 * width, width)}
        shapes |= {f"layers.{i}.1.1.weight": (4 * width, width), f"layers.{i}.1.3.weight": (width, 4 * width)}
    return shapes


def diffusers_network(loader, weights):
    return loader._convert_ip_adapter_image_proj_to_diffusers(None, weights, low_cpu_mem_usage=False)


@pytest.mark.parametrize("embed", (1024, 1280))  # ViT-H and ViT-bigG
def test_sdxl_base(embed):
    weights = normal(linear_shapes(4, 2048, embed))
    embeds = random(1, 2, embed)
    theirs = diffusers_network(UNet2DConditionLoadersMixin, weights)(embeds)
    assert distance(linear_tokens(embeds, weights), theirs) <= 1e-5


@pytest.mark.parametrize("tokens", (4, 16))
def test_xlabs(tokens):
    weights = normal(linear_shapes(tokens, 4096, 768))
    embeds = random(1, 2, 768)
    theirs = diffusers_network(FluxTransformer2DLoadersMixin, weights)(embeds)
    assert distance(linear_tokens(embeds, weights), theirs) <= 1e-5


def test_sdxl_plus():
    weights = normal(resampler_shapes())
    states = random(1, 2, 257, 1280)
    theirs = diffusers_network(UNet2DConditionLoadersMixin, weights)(states)
    ours = resampled_tokens(states, weights)
    assert ours.shape == (2, 16, 2048) and distance(ours, theirs) <= 2e-5


def test_instantx():
    """128 tokens of 16 instead of 4096: the last matrix of the true one has 4.8 GB."""
    net = nn.Sequential(nn.Linear(1152, 2304), nn.GELU(), nn.Linear(2304, 128 * 16))
    norm = nn.LayerNorm(16)
    shapes = {f"proj.{k}": tuple(v.shape) for k, v in net.state_dict().items()}
    weights = normal(shapes | {"norm.weight": (16,), "norm.bias": (16,)})
    net.load_state_dict({k.removeprefix("proj."): v for k, v in weights.items() if "proj" in k})
    norm.load_state_dict({"weight": weights["norm.weight"], "bias": weights["norm.bias"]})
    embeds = random(1, 2, 1152)
    with torch.no_grad():
        theirs = norm(net(embeds).reshape(2, 128, 16))
    assert distance(mlp_tokens(embeds, weights), theirs) <= 1e-5


def test_heads_are_normalised():
    x = 7 * random(1, 2, 3, 5, 128)
    theirs = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    assert distance(rms_norm(x), theirs) <= 1e-6


def test_siglips_own_pooling():
    config = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_attention_heads=16,
        hidden_act="gelu_pytorch_tanh",
    )
    net = SiglipMultiheadAttentionPoolingHead(config).eval()
    shapes = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    weights = normal(shapes)
    net.load_state_dict(weights)
    states = random(1, 2, 729, 1152)
    with torch.no_grad():
        assert distance(pooled_by_probe(states, weights), net(states)) <= 2e-5
