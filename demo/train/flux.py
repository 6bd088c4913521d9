"""Train the base model of Sprites: diffusers' FLUX, small, from scratch, by flow matching."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from tqdm import tqdm

from training.checkpoint import load_checkpoint, optimizer_tensors, save_checkpoint, with_optimizer_tensors

from .flux_data import Batch, batch, ids_of
from .text import WIDTH, TextEncoder
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
        img_ids=ids_of(b.rows, b.columns),
        txt_ids=torch.zeros(b.context.shape[1], 3),
        guidance=torch.full((size,), GUIDANCE),
        return_dict=False,
    )[0]


def flow_loss(flux: nn.Module, b: Batch) -> Tensor:
    t = b.time[:, None, None]
    noisy = (1 - t) * b.latent + t * b.noise
    return (velocity(flux, noisy, b.time, b).float() - (b.noise - b.latent)).square().mean()


def rate_scale(step: int, settings: dict) -> float:
    """Up, flat, and down to zero at the end."""
    left = (settings["steps"] - step) / (settings["cooldown"] * settings["steps"])
    return min(1.0, (step + 1) / settings["warmup"], left)


class Run:
    """The state of a training run: all of it goes into a checkpoint."""

    def __init__(self, settings: dict) -> None:
        self.settings = settings
        self.flux = new_flux(settings)
        self.tutor = Tutor(self.flux, settings["hidden"])
        parts = nn.ModuleList([self.flux, self.tutor])
        self.trained = [p for p in parts.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, settings["learning_rate"], (0.9, 0.95), weight_decay=0.0, fused=True
        )
        self.average = {n: p.detach().clone() for n, p in self.flux.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.losses: list[tuple[float, float]] = []  # flow and tutor, means of fifty steps

    def save(self, file: Path) -> None:
        tensors = {
            **{f"flux.{n}": t for n, t in self.flux.state_dict().items()},
            **{f"average.{n}": t for n, t in self.average.items()},
            **{f"tutor.{n}": t for n, t in self.tutor.state_dict().items()},
            **{f"optimizer.{n}": t for n, t in optimizer_tensors(self.optimizer.state_dict()).items()},
        }
        save_checkpoint(file, tensors, {"step": self.step, "seconds": self.seconds, "losses": self.losses})

    def load(self, file: Path) -> None:
        tensors, facts = load_checkpoint(file)
        parts: dict[str, dict[str, Tensor]] = {"flux": {}, "average": {}, "tutor": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value
        self.flux.load_state_dict(parts["flux"])
        self.tutor.load_state_dict(parts["tutor"])
        self.average = parts["average"]
        self.optimizer.load_state_dict(
            with_optimizer_tensors(self.optimizer.state_dict(), parts["optimizer"])
        )
        self.step, self.seconds, self.losses = facts["step"], facts["seconds"], facts["losses"]

    def one_step(self, b: Batch) -> tuple[float, float]:
        with torch.autocast("cpu", torch.bfloat16):
            loss = flow_loss(self.flux, b)
            told = self.tutor(b.parts)
        weight = self.settings["tutor"] * max(0.0, 1 - self.step / self.settings["tutor_until"])
        (loss + weight * told).backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["learning_rate"] * rate_scale(self.step, self.settings)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        keep = min(self.settings["ema"], (self.step + 1) / (self.step + 10))
        average = list(self.average.values())
        torch._foreach_lerp_(average, [p.detach() for p in self.flux.state_dict().values()], 1 - keep)
        self.step += 1
        return loss.item(), told.item()


def train_flux(settings: dict, encode: TextEncoder, checkpoint: Path, compiled: bool = True) -> Run:
    """Go on from the checkpoint, if there is one, to the last step of the settings."""
    run = Run(settings)
    if checkpoint.exists():
        run.load(checkpoint)
    if compiled:
        torch._dynamo.config.recompile_limit = 32  # one graph a shape of batch
        run.flux.compile_repeated_blocks(dynamic=False)
    recent: list[tuple[float, float]] = []
    bar = tqdm(range(run.step, settings["steps"]), "flux", initial=run.step, total=settings["steps"])
    for number in bar:
        start = time.monotonic()
        recent.append(run.one_step(batch(settings, encode, number)))
        run.seconds += time.monotonic() - start
        if len(recent) == 50:
            run.losses.append(tuple(sum(part) / 50 for part in zip(*recent)))
            bar.set_postfix(flow=f"{run.losses[-1][0]:.4f}", tutor=f"{run.losses[-1][1]:.4f}")
            recent = []
        if run.step % settings["save_every"] == 0 or run.step == settings["steps"]:
            run.save(checkpoint)
            log = checkpoint.with_suffix(".json")
            log.write_text(json.dumps({"step": run.step, "seconds": run.seconds, "losses": run.losses}))
    return run
