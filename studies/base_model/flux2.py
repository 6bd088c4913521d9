"""Train the base model of Sprites of FLUX.2, on scenes with their references, as FLUX.2 was."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import Flux2Transformer2DModel
from torch import Tensor, nn

from sprites.chat_text import TAKEN, WIDTH
from training.encoders.sprites_flux2 import SpritesFlux2Encoder
from training.network.family import FLUX2
from training.network.sequence import join

from ..device import DEVICE
from .flux2_data import Batch, batches
from .loop import Losses, Run
from .tutor import Tutor

LOUD = 7.0  # how far the words' vectors are from 0


def new_flux2(settings: dict, start: dict[str, Tensor] | None = None) -> Flux2Transformer2DModel:
    """klein's network at a small width. As in DiT, modulation and output begin at zero; or with the weights
    to `start` from."""
    torch.manual_seed(settings["seed"])
    flux = Flux2Transformer2DModel(
        num_layers=settings["double_blocks"],
        num_single_layers=settings["single_blocks"],
        num_attention_heads=settings["hidden"] // 128,
        joint_attention_dim=len(TAKEN) * WIDTH,
        guidance_embeds=False,
    )
    for name, parameter in flux.named_parameters():
        if "modulation" in name or "norm_out" in name:
            nn.init.zeros_(parameter)
    nn.init.zeros_(flux.proj_out.weight)
    flux.context_embedder.weight.data /= LOUD
    if start:
        flux.load_state_dict(start)
    return flux


def velocity(flux: nn.Module, latent: Tensor, time: Tensor, context: Tensor, b: Batch) -> Tensor:
    joint = join(context, b.size, b.references, "index", family=FLUX2)
    told = flux(
        hidden_states=torch.cat([latent, joint.conditions], 1),
        encoder_hidden_states=joint.text,
        timestep=time,
        img_ids=joint.image_ids.to(latent.device),
        txt_ids=joint.text_ids.to(latent.device),
        return_dict=False,
    )[0]
    return told[:, : latent.shape[1]]


def train_flux2(
    settings: dict,
    encoder: SpritesFlux2Encoder,
    checkpoint: Path,
    compiled: bool = True,
    start: dict[str, Tensor] | None = None,
) -> Run:
    flux = new_flux2(settings, start)
    tutor = Tutor(flux, settings["hidden"])

    def losses(step: int) -> Losses:
        b = next(samples)
        t = b.time[:, None, None]
        noisy = (1 - t) * b.latent + t * b.noise
        found = velocity(flux, noisy, b.time, spoken(encoder, b), b)
        flow = (found.float() - (b.noise - b.latent)).square().mean()
        told = tutor(b.parts)
        weight = settings["tutor"] * max(0.0, 1 - step / settings["tutor_until"])
        return {"loss": flow + weight * told, "flow": flow, "tutor": told}

    run = Run({"flux": flux, "tutor": tutor}, settings, DEVICE)
    encoder.text.to(run.device)
    if compiled and run.device.type == "cpu":  # on a GPU what torch 2.11 made fails at batches of 256
        torch._dynamo.config.recompile_limit = 32  # one graph a shape of batch
        flux.compile_repeated_blocks(dynamic=False)
    if checkpoint.exists():
        run.load(checkpoint)
    samples = batches(settings, encoder, run.step, run.device)
    run.go("flux", losses, checkpoint)
    encoder.text.cpu()
    return run


@torch.no_grad()
def spoken(encoder: SpritesFlux2Encoder, b: Batch) -> Tensor:
    """T: B tokens width, as exact as ComfyUI has it."""
    with torch.autocast(b.ids.device.type, enabled=False):
        return encoder.text(b.ids, b.real)
