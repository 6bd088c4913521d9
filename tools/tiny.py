"""Tiny random models that load through the stock loaders: FLUX, its VAE, a UNO LoRA, word vectors.

The network is FLUX.1's own, block for block; only its width is 128 instead of 3072. The weights
are random, so the pictures are noise: what runs is real, what it draws is not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

WORDS, PLACES = 32128, 1024  # T5's vocabulary; the longest prompt
WIDTH, POOLED = 64, 32  # of the text embeddings and the pooled one

FLUX, VAE, TEXT, LORA, DUAL = (
    "tiny_flux.safetensors",
    "tiny_vae.safetensors",
    "tiny_text.safetensors",
    "tiny_uno.safetensors",
    "tiny_dual.safetensors",
)


def write_models(folder: Path) -> None:
    """All of them, into a ComfyUI models folder."""
    for kind, name, make in (
        ("diffusion_models", FLUX, flux_weights),
        ("vae", VAE, vae_weights),
        ("text_encoders", TEXT, text_weights),
        ("loras", LORA, uno_lora_weights),
        ("loras", DUAL, dual_lora_weights),
    ):
        file = folder / kind / name
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(make(), file)


def flux_weights(
    hidden: int = 128,
    depth: int = 19,
    singles: int = 38,
    guidance: bool = True,
    channels: int = 16,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """FLUX.1's state dict; without `guidance` it is schnell, with more `channels` Fill or Canny."""
    import comfy.ops
    from comfy.ldm.flux.model import Flux

    net = Flux(
        in_channels=channels,
        out_channels=16,
        vec_in_dim=POOLED,
        context_in_dim=WIDTH,
        hidden_size=hidden,
        mlp_ratio=4.0,
        num_heads=hidden // 128,
        depth=depth,
        depth_single_blocks=singles,
        axes_dim=[16, 56, 56],
        theta=10000,
        patch_size=2,
        qkv_bias=True,
        guidance_embed=guidance,
        txt_ids_dims=[],
        dtype=dtype,
        device="meta",
        operations=comfy.ops.disable_weight_init,
    )
    return randomise(net, seed)


def vae_weights(seed: int = 1) -> dict[str, Tensor]:
    """A TAESD-shaped autoencoder of 16 channels."""
    from comfy.taesd.taesd import TAESD

    return randomise(TAESD(latent_channels=16), seed)


def text_weights(seed: int = 2) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "words.weight": torch.randn(WORDS, WIDTH, generator=g),
        "positions.weight": torch.zeros(PLACES, WIDTH),  # a word is the same wherever it stands
        "pool.weight": torch.randn(POOLED, WIDTH, generator=g),
        "things.weight": torch.zeros(1, WIDTH),
        "articles": torch.zeros(0, dtype=torch.int64),
        "step": torch.tensor(256),  # as long as the host pads FLUX's prompts
    }


def uno_lora_weights(hidden: int = 128, rank: int = 4, seed: int = 3) -> dict[str, Tensor]:
    """The published UNO LoRA's keys and shapes at this width."""
    g = torch.Generator().manual_seed(seed)
    layers = []  # (name, inputs, outputs); 1 is the image stream, 2 the text stream
    for i in range(19):
        for stream in (1, 2):
            layers.append((f"double_blocks.{i}.processor.qkv_lora{stream}", hidden, 3 * hidden))
            layers.append((f"double_blocks.{i}.processor.proj_lora{stream}", hidden, hidden))
    for i in range(38):
        layers.append((f"single_blocks.{i}.processor.qkv_lora", hidden, 3 * hidden))
        layers.append((f"single_blocks.{i}.processor.proj_lora", 5 * hidden, hidden))
    state = {}
    for name, inputs, outputs in layers:
        state[f"{name}.down.weight"] = torch.randn(rank, inputs, generator=g) * inputs**-0.5
        state[f"{name}.up.weight"] = torch.randn(outputs, rank, generator=g) * 0.05
    return state


def dual_lora_weights(hidden: int = 128, seed: int = 4) -> dict[str, Tensor]:
    """Both branches on some layers, as the trainer names them."""
    g = torch.Generator().manual_seed(seed)
    state = {}
    for branch, rank in (("subject", 8), ("noise", 2)):
        for layer in ("transformer_blocks.3.attn.to_q", "single_transformer_blocks.20.attn.to_v"):
            name = f"{branch}.transformer.{layer}"
            state[f"{name}.lora_A.weight"] = torch.randn(rank, hidden, generator=g) * hidden**-0.5
            state[f"{name}.lora_B.weight"] = torch.randn(hidden, rank, generator=g) * 0.05
    return state


def randomise(net: nn.Module, seed: int) -> dict[str, Tensor]:
    """Weights that keep activations about their size: gain 1 over the inputs, scales 1, biases 0.

    Modulation gets half the gain: as in a trained FLUX it bends activations, it does not make them.
    """
    g = torch.Generator().manual_seed(seed)
    state = {}
    for name, old in net.state_dict().items():
        if old.ndim >= 2:
            fan_in = old[0].numel()
            gain = 0.5 if "mod" in name else 1.0
            value = torch.randn(old.shape, generator=g) * gain * fan_in**-0.5
        elif name.endswith("bias") or name == "vae_shift":
            value = torch.zeros(old.shape)
        else:
            value = torch.ones(old.shape)
        state[name] = value.to(old.dtype)
    return state
