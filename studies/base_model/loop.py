"""One training loop for every model of the demo: it can be killed at any time and goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.run.checkpoint import load_checkpoint, load_optimizer, optimizer_tensors, save_checkpoint
from training.run.precision import bf16_pays
from training.run.schedule import rate_scale

from .optimizers import optimizers, parts_of

SHOWN = 50  # steps a mean

Losses = dict[str, Tensor]  # "loss" is minimised, the others are shown


def machine(device: torch.device) -> str:
    if device.type == "cpu":
        return f"{os.cpu_count()} CPU cores"
    return f"one {torch.cuda.get_device_name(device)}"


class Run:
    """The state of a training run: all of it goes into a checkpoint."""

    def __init__(
        self, modules: dict[str, nn.Module], settings: dict, device: torch.device | str = "cpu"
    ) -> None:
        """The first module is the model, of which an average over the steps is kept."""
        self.modules, self.settings, self.device = modules, settings, torch.device(device)
        for module in modules.values():
            module.to(self.device)
        self.model = next(iter(modules.values()))
        every = nn.ModuleList(modules.values()).parameters()
        self.trained = [p for p in every if p.requires_grad]
        self.optimizers = optimizers(modules, settings)
        self.average = {n: t.detach().clone() for n, t in self.model.state_dict().items()}
        self.step, self.seconds, self.machine = 0, 0.0, machine(self.device)
        self.losses: list[dict[str, float]] = []  # means of SHOWN steps

    def facts(self) -> dict:
        known = {"step": self.step, "seconds": self.seconds, "losses": self.losses}
        return known | {"machine": self.machine}

    def save(self, file: Path) -> None:
        parts = {name: module.state_dict() for name, module in self.modules.items()}
        parts |= {"average": self.average}
        parts |= {n: optimizer_tensors(o.state_dict()) for n, o in parts_of(self.optimizers).items()}
        tensors = {f"{part}.{n}": t for part, state in parts.items() for n, t in state.items()}
        save_checkpoint(file, tensors, self.facts())
        file.with_suffix(".json").write_text(json.dumps(self.facts()))

    def load(self, file: Path) -> None:
        tensors, facts = load_checkpoint(file)
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, rest = name.split(".", 1)
            parts.setdefault(part, {})[rest] = value
        for name, module in self.modules.items():
            module.load_state_dict(parts[name])
        self.average = {n: t.to(self.device) for n, t in parts["average"].items()}
        for name, optimizer in parts_of(self.optimizers).items():
            load_optimizer(optimizer, parts.get(name, {}))
        self.step, self.seconds, self.losses = facts["step"], facts["seconds"], facts["losses"]
        self.machine = facts.get("machine", self.machine)

    def one_step(self, losses_of: Callable[[int], Losses]) -> Losses:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16_pays(self.device)):
            losses = losses_of(self.step)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings["learning_rate"] * rate_scale(self.step, self.settings)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        keep = min(self.settings["ema"], (self.step + 1) / (self.step + 10))
        now = self.model.state_dict()
        torch._foreach_lerp_([self.average[n] for n in now], list(now.values()), 1 - keep)
        self.step += 1
        return {name: value.detach() for name, value in losses.items()}

    def go(self, name: str, losses_of: Callable[[int], Losses], checkpoint: Path) -> None:
        """On from the checkpoint, if there is one, to the last step of the settings."""
        if checkpoint.exists():
            self.load(checkpoint)
        last, recent = self.settings["steps"], []
        with tqdm(desc=name, initial=self.step, total=last) as bar:
            while self.step < last:
                start = time.monotonic()
                recent.append(self.one_step(losses_of))
                self.seconds += time.monotonic() - start
                bar.update()
                if self.step % SHOWN == 0 or self.step == last:
                    means = {k: torch.stack([r[k] for r in recent]).mean() for k in recent[0]}
                    self.losses.append({k: v.item() for k, v in means.items()})
                    bar.set_postfix({k: f"{v:.4f}" for k, v in self.losses[-1].items()})
                    recent = []
                if self.step % self.settings["save_every"] == 0 or self.step == last:
                    self.save(checkpoint)
