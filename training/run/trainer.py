"""One run: examples in, a dual LoRA out. It can be killed at any step and goes on exactly."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from ..network.batch import Batch, Encoded, collate
from ..network.model import Trained, draw_times, flow_loss
from ..network.shard import average_gradients, shard
from .buckets import Buckets, Numbered
from .checkpoint import load_checkpoint, load_optimizer, optimizer_tensors, save_checkpoint
from .log import open_log
from .optimizers import new_optimizer
from .schedule import rate_scale, stage_of

Encode = Callable[[int, int], Encoded]  # stage, number of the example
EachStep = Callable[["Trainer", float], None]


class Trainer:
    """The state of a run. With several processes each takes its share of a step's batches."""

    def __init__(self, config: dict, model: Trained, encode: Encode, folder: Path) -> None:
        self.config, self.encode, self.folder = config, encode, folder
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # dropped conditions
        self.accelerator = Accelerator(
            mixed_precision=config["precision"], cpu=config["cpu"], kwargs_handlers=[unused]
        )
        self.sharded = config["shard"]
        self.model: nn.Module = (
            shard(model, self.accelerator) if self.sharded else self.accelerator.prepare(model)
        )
        self.lora = model.lora
        self.learned = list(self.lora.parameters())
        self.optimizer = new_optimizer(self.learned, config)
        self.average = {n: t.detach().clone() for n, t in self.lora.state_dict().items()}
        self.step, self.seconds, self.stage = 0, 0.0, 0
        self.buckets = self._buckets(0)
        self.total = sum(stage["steps"] for stage in config["stages"])
        self.writer = open_log(folder) if config["log"] and self.accelerator.is_main_process else None

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def _buckets(self, stage: int) -> Buckets:
        return Buckets(lambda number: self.encode(stage, number), self.config["batch"])

    def run(self, each_step: EachStep) -> None:
        """On from the checkpoint, if there is one, to the last step."""
        if self.checkpoint.exists():
            self.load()
        main = self.accelerator.is_main_process
        with tqdm(desc="training", initial=self.step, total=self.total, disable=not main) as bar:
            while self.step < self.total:
                start = time.monotonic()
                loss = self.one_step()
                self.seconds += time.monotonic() - start
                bar.update()
                bar.set_postfix(stage=self.stage + 1, loss=f"{loss:.4f}")
                self._log(loss)
                each_step(self, loss)
                if self.step % self.config["save_every"] == 0 or self.step == self.total:
                    self.save()

    def one_step(self) -> float:
        """The mean loss over every process's batches."""
        stage = stage_of(self.step, self.config["stages"])
        if stage != self.stage:
            self.stage, self.buckets = stage, self._buckets(stage)
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        count = self.config["accumulation"] * processes
        losses = []
        for i in range(count):
            numbered = self.buckets.batch()
            if i % processes != rank:
                continue
            last = i + processes >= count
            alone = not (last or self.sharded)
            with self.accelerator.no_sync(self.model) if alone else nullcontext():
                loss = self.loss_of(numbered)
                self.accelerator.backward(loss / self.config["accumulation"])
            losses.append(loss.detach())
        if self.sharded:
            average_gradients(self.learned)
        nn.utils.clip_grad_norm_(self.learned, self.config["clip"])
        settings = {**self.config, "steps": self.total}
        for group in self.optimizer.param_groups:
            group["lr"] = self.config["learning_rate"] * rate_scale(self.step, settings)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._follow()
        self.step += 1
        return self.accelerator.gather(torch.stack(losses).mean()[None]).mean().item()

    def _log(self, loss: float) -> None:
        if self.writer:
            rate = self.optimizer.param_groups[0]["lr"]
            for name, value in (("loss", loss), ("rate", rate), ("stage", self.stage + 1)):
                self.writer.add_scalar(name, value, self.step)

    def loss_of(self, numbered: list[Numbered]) -> Tensor:
        batch = to_device(collate([n.encoded for n in numbered]), self.accelerator.device)
        noise, times = zip(*(self._chance(n) for n in numbered))
        noise, times = (torch.stack(t).to(batch.latent.device) for t in (noise, times))
        with self.accelerator.autocast():
            return flow_loss(self.model, batch, noise, times)

    def _chance(self, n: Numbered) -> tuple[Tensor, Tensor]:
        """Noise and time: a function of the run's seed, the stage and the example's number."""
        seed = seeded(self.config["seed"], self.stage, n.number).integers(1 << 62)
        g = torch.Generator().manual_seed(int(seed))
        return torch.randn(n.encoded.latent.shape, generator=g), draw_times(1, self.config["time"], g)[0]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While this lasts, the LoRA has the average of its weights."""
        now = {n: t.clone() for n, t in self.lora.state_dict().items()}
        self.lora.load_state_dict(self.average)
        try:
            yield
        finally:
            self.lora.load_state_dict(now)

    def _follow(self) -> None:
        """The average follows the weights."""
        keep = min(self.config["ema"], (self.step + 1) / (self.step + 10))
        now = self.lora.state_dict()
        torch._foreach_lerp_([self.average[n] for n in now], [t.detach() for t in now.values()], 1 - keep)

    def save(self) -> None:
        if self.accelerator.is_main_process:
            parts = {
                "lora": self.lora.state_dict(),
                "average": self.average,
                "optimizer": optimizer_tensors(self.optimizer.state_dict()),
            }
            tensors = {f"{part}|{n}": t for part, state in parts.items() for n, t in state.items()}
            facts = {"step": self.step, "seconds": self.seconds, "stage": self.stage}
            save_checkpoint(self.checkpoint, tensors, facts | {"buckets": self.buckets.state()})
        self.accelerator.wait_for_everyone()

    def load(self) -> None:
        tensors, facts = load_checkpoint(self.checkpoint)
        parts: dict[str, dict[str, Tensor]] = {"lora": {}, "average": {}, "optimizer": {}}
        for key, value in tensors.items():
            part, name = key.split("|", 1)
            parts[part][name] = value
        self.lora.load_state_dict(parts["lora"])
        self.average = {n: parts["average"][n].to(t.device) for n, t in self.lora.state_dict().items()}
        load_optimizer(self.optimizer, parts["optimizer"])
        self.step, self.seconds, self.stage = facts["step"], facts["seconds"], facts["stage"]
        self.buckets = self._buckets(self.stage)
        self.buckets.load(facts["buckets"])


def to_device(batch: Batch, device: torch.device) -> Batch:
    def move(value: object) -> object:
        if isinstance(value, Tensor):
            return value.to(device)
        if isinstance(value, tuple) and value and hasattr(value[0], "image"):
            return tuple(replace(c, image=move(c.image), text=move(c.text)) for c in value)
        return value

    return replace(batch, **{f.name: move(getattr(batch, f.name)) for f in fields(batch)})


def seeded(*parts: object) -> np.random.Generator:
    """Chance that depends on these and on nothing else."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8]))
