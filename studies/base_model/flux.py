"""Train the base model of Sprites: diffusers' FLUX, small, from scratch, by flow matching."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file
from torch import Tensor, nn

from sprites.text_encoder import WIDTH, TextEncoder
from tools.comfy_server import ROOT
from training.network.sequence import grid_ids

from .deepen import spread
from .flux_data import Batch, batch
from .loop import Losses, Run
from .tutor import Tutor

GUIDANCE = 3.5  # any value: its embedding ends in zeros and stays there


def new_flux(settings: dict) -> FluxTransformer2DModel:
    """FLUX.1-dev's network at a small width. As in DiT, modulation and output begin at zero."""
    torch.manual_seed(settings["seed"])
    flux = FluxTransformer2DModel(
        in_channels=64,
        num_layers=settings["double_blocks"],
        num_single_layers=settings["single_blocks"],
        attention_head_dim=128,
        num_attention_heads=settings["hidden"] // 128,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=True,
    )
    for name, parameter in flux.named_parameters():
        if any(part in name for part in (".norm.linear", "norm1.linear", "norm1_context.linear", "norm_out")):
            nn.init.zeros_(parameter)
    nn.init.zeros_(flux.proj_out.weight)
    if settings.get("start"):
        flux.load_state_dict(spread(load_file(ROOT / settings["start"]), flux.state_dict()))
    silent = flux.time_text_embed.guidance_embedder.linear_2
    for parameter in silent.parameters():
        nn.init.zeros_(parameter)
    flux.time_text_embed.guidance_embedder.requires_grad_(False)
    return flux


def velocity(flux: nn.Module, latent: Tensor, time: Tensor, b: Batch) -> Tensor:
    size = len(latent)
    return flux(
        hidden_states=latent,
        encoder_hidden_states=b.context,
        pooled_projections=b.pooled,
        timestep=time,
        img_ids=grid_ids((b.rows, b.columns)),
        txt_ids=torch.zeros(b.context.shape[1], 3),
        guidance=torch.full((size,), GUIDANCE),
        return_dict=False,
    )[0]


def flow_loss(flux: nn.Module, b: Batch) -> Tensor:
    t = b.time[:, None, None]
    noisy = (1 - t) * b.latent + t * b.noise
    return (velocity(flux, noisy, b.time, b).float() - (b.noise - b.latent)).square().mean()


def train_flux(settings: dict, encode: TextEncoder, checkpoint: Path, compiled: bool = True) -> Run:
    flux = new_flux(settings)
    tutor = Tutor(flux, settings["hidden"])

    def losses(step: int) -> Losses:
        b = batch(settings, encode, step)
        flow = flow_loss(flux, b)
        told = tutor(b.parts)
        weight = settings["tutor"] * max(0.0, 1 - step / settings["tutor_until"])
        return {"loss": flow + weight * told, "flow": flow, "tutor": told}

    run = Run({"flux": flux, "tutor": tutor}, settings)
    if compiled:
        torch._dynamo.config.recompile_limit = 32  # one graph a shape of batch
        flux.compile_repeated_blocks(dynamic=False)
    run.go("flux", losses, checkpoint)
    return run
