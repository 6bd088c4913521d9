"""Tiny random models of FLUX.2: the network, its VAE, and text encoders that read as Qwen3 and Mistral 3 do.

Networks are the real ones, layer for layer; only their width is small. The text encoders keep the depth
that ComfyUI takes three layers of.
"""

from __future__ import annotations

import base64
import json

import torch
from torch import Tensor

from .tiny import randomise

WIDTH = 32  # of the text encoders; three of their layers make a vector of T
WORDS = 3 * WIDTH
SPECIAL = 1000  # of Mistral's vocabulary, before its words


def flux2_weights(
    hidden: int = 256,
    depth: int = 2,
    singles: int = 3,
    guidance: bool = False,
    channels: int = 128,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """FLUX.2's state dict: klein's, or with `guidance` dev's."""
    import comfy.ops
    from comfy.ldm.flux.model import Flux

    net = Flux(
        in_channels=channels,
        out_channels=128,
        vec_in_dim=None,
        context_in_dim=WORDS,
        hidden_size=hidden,
        mlp_ratio=3.0,
        num_heads=hidden // 128,
        depth=depth,
        depth_single_blocks=singles,
        axes_dim=[32, 32, 32, 32],
        theta=2000,
        patch_size=1,
        qkv_bias=False,
        guidance_embed=guidance,
        txt_ids_dims=[3],
        global_modulation=True,
        mlp_silu_act=True,
        ops_bias=False,
        dtype=dtype,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    return randomise(net, seed)


def flux2_vae_weights(seed: int = 1) -> dict[str, Tensor]:
    """FLUX.2's autoencoder: 32 channels, two by two of their cells normalised together. Its encoder cannot
    be made narrow, its decoder is."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    wide = {"double_z": True, "z_channels": 32, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128}
    wide |= {"ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}
    wide |= {"batch_norm_latent": True}
    with torch.device("meta"):
        vae = AutoencoderKL(ddconfig=wide, decoder_ddconfig=wide | {"ch": 32}, embed_dim=32)
    state = randomise(vae, seed)
    state |= {"bn.running_mean": torch.zeros(128), "bn.running_var": torch.ones(128)}
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}


def qwen_weights(seed: int = 2) -> dict[str, Tensor]:
    return _chat_weights(words=151936, depth=28, norms=True, seed=seed)


def mistral_weights(texts: str, seed: int = 3) -> dict[str, Tensor]:
    """It brings its tokenizer, whose words are bytes, and the words of `texts`."""
    file = json.dumps(tekken(texts)).encode()
    state = _chat_weights(words=SPECIAL + 256 + len(texts.encode()), depth=31, norms=False, seed=seed)
    return state | {"tekken_model": torch.frombuffer(bytearray(file), dtype=torch.uint8)}


def tekken(texts: str) -> dict:
    """A tokenizer as Mistral's files hold one: all bytes, then pairs that stand side by side in the texts'
    words, so that a letter of several bytes is seldom one token."""
    marks = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", *(f"<SPECIAL_{k}>" for k in range(5, 11)), "<pad>"]
    marks += [f"<SPECIAL_{k}>" for k in range(12, 17)] + ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]
    marks += [f"<SPECIAL_{k}>" for k in range(len(marks), SPECIAL)]
    words = [bytes([byte]) for byte in range(256)]
    for text in texts.split():
        raw = f" {text}".encode()
        words += [raw[:end] for end in range(2, len(raw) + 1)]
    words = list(dict.fromkeys(words))
    return {
        "config": {"default_vocab_size": SPECIAL + len(words)},
        "special_tokens": [{"rank": k, "token_str": mark} for k, mark in enumerate(marks)],
        "vocab": [{"rank": k, "token_bytes": base64.b64encode(w).decode()} for k, w in enumerate(words)],
    }


def _chat_weights(words: int, depth: int, norms: bool, seed: int) -> dict[str, Tensor]:
    """A decoder with one head of attention, in the naming that ComfyUI reads."""
    g = torch.Generator().manual_seed(seed)
    state = {"model.embed_tokens.weight": torch.randn(words, WIDTH, generator=g)}
    shapes = {
        "self_attn.q_proj": (128, WIDTH),
        "self_attn.k_proj": (128, WIDTH),
        "self_attn.v_proj": (128, WIDTH),
        "self_attn.o_proj": (WIDTH, 128),
        "mlp.gate_proj": (64, WIDTH),
        "mlp.up_proj": (64, WIDTH),
        "mlp.down_proj": (WIDTH, 64),
    }
    for i in range(depth):
        layer = f"model.layers.{i}"
        for name, shape in shapes.items():
            state[f"{layer}.{name}.weight"] = torch.randn(shape, generator=g) * 0.5 * shape[1] ** -0.5
        for name in ("input_layernorm", "post_attention_layernorm"):
            state[f"{layer}.{name}.weight"] = torch.ones(WIDTH)
        for name in ("q_norm", "k_norm") if norms else ():
            state[f"{layer}.self_attn.{name}.weight"] = torch.ones(128)
    return state | {"model.norm.weight": torch.ones(WIDTH)}
