"""One run: examples in, a dual LoRA out. It can be killed at any step and goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from ..network.batch import Encoded, collate, to_device
from ..network.model import Trained, flow_errors
from ..network.shard import average_gradients, shard
from .ahead import Ahead, Place
from .buckets import Buckets
from .chance import seeded
from .checkpoint import (
    CHECKPOINT,
    load_checkpoint,
    load_optimizer,
    optimizer_numbers,
    optimizer_tensors,
    same_run,
    save_checkpoint,
)
from .examples import Examples
from .folder import lock
from .log import Log
from .optimizers import new_optimizer, rate_of
from .precision import precision_of
from .schedule import rate_scale, stage_of
from .times import draw_times

LOST = 20  # steps in a row whose gradients are no numbers, before the run is given up
EachStep = Callable[["Trainer", float], None]


class Trainer:
    """The state of a run. With several processes each takes its share of a step's batches."""

    def __init__(self, config: dict, model: Trained, examples: Examples, folder: Path) -> None:
        self.config, self.examples, self.folder = config, examples, folder
        # Dropped conditions leave parameters unused. A view: gradients are held once.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True, gradient_as_bucket_view=True)
        self.accelerator = Accelerator(
            mixed_precision=precision_of(config, model.flux), cpu=config["cpu"], kwargs_handlers=[unused]
        )
        main = self.accelerator.is_main_process
        self.lock = lock(folder) if main else None
        self.sharded = config["shard"]
        self.model: nn.Module = (
            shard(model, self.accelerator) if self.sharded else self.accelerator.prepare(model)
        )
        self.base, self.lora = model.flux, model.lora
        self.learned = list(self.lora.parameters())
        self.optimizer = new_optimizer(self.learned, config)
        self.average = {n: t.detach().clone() for n, t in self.lora.state_dict().items()}
        self.step, self.seconds, self.stage = 0, 0.0, 0
        self.lost = 0  # steps in a row that learned nothing
        self.buckets = self._buckets(0)
        self.total = sum(stage["steps"] for stage in config["stages"])
        self.log = Log(folder if config["log"] and main else None)
        rank = self.accelerator.process_index
        self.ahead = Ahead(examples, folder / "ahead" / f"process_{rank}")
        self.prepared = 0  # the step that `ahead` reaches

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _buckets(self, stage: int) -> Buckets:
        return Buckets(lambda number: self.examples.shape(stage, number), self.config["batch"])

    def run(self, each_step: EachStep) -> None:
        """On from the checkpoint, if there is one, to the last step."""
        try:
            if self.checkpoint.exists():
                self.load()
            self._steps(each_step)
        finally:
            self.ahead.clear()
            if self.lock:
                self.lock.release()

    def _steps(self, each_step: EachStep) -> None:
        main = self.accelerator.is_main_process
        with tqdm(desc="training", initial=self.step, total=self.total, disable=not main) as bar:
            while self.step < self.total:
                self._encode_ahead()
                start = time.monotonic()
                loss = self.one_step()
                self.seconds += time.monotonic() - start
                bar.update()
                bar.set_postfix(stage=self.stage + 1, loss=f"{loss:.4f}")
                self.log.step(self.step, time.monotonic() - start)
                if self.step % self.config["save_every"] == 0 or self.step == self.total:
                    self.save()
                each_step(self, loss)

    def one_step(self) -> float:
        """The mean loss over every process's batches."""
        stage = stage_of(self.step, self.config["stages"])
        if stage != self.stage:
            self.stage, self.buckets = stage, self._buckets(stage)
        share = list(self._share(self.buckets))
        losses = []
        for i, numbers in enumerate(share, 1):
            alone = not (i == len(share) or self.sharded)
            with self.accelerator.no_sync(self.model) if alone else nullcontext():
                loss = self.loss_of(numbers)
                self.accelerator.backward(loss / self.config["accumulation"])
            losses.append(loss.detach())
        if self.sharded:
            average_gradients(self.learned)
        norm = nn.utils.clip_grad_norm_(self.learned, self.config["clip"])
        settings = {**self.config, "steps": self.total}
        for group in self.optimizer.param_groups:
            group["lr"] = rate_of(self.config) * rate_scale(self.step, settings)
        self._learn(bool(torch.isfinite(norm)))
        self.step += 1
        loss = self.accelerator.gather(torch.stack(losses).mean()[None]).mean().item()
        rate = self.optimizer.param_groups[0]["lr"]
        self.log.note({"loss": loss, "rate": rate, "stage": self.stage + 1, "gradient norm": norm})
        self.log.note({f"loss of stage {self.stage + 1}": loss})
        return loss

    def _learn(self, finite: bool) -> None:
        """Not from infinities: weights, moments and average would be lost, and soon the checkpoint. The norm
        is the same on every process."""
        if finite:
            self.lost = 0
            self.optimizer.step()
            self._follow()
        else:
            self.lost += 1
            self.accelerator.print(f"Step {self.step + 1} is passed over: its gradients are not finite.")
        self.optimizer.zero_grad(set_to_none=True)
        if self.lost == LOST:
            raise ValueError(
                f"the gradients of {LOST} steps in a row, up to step {self.step + 1}, are not finite. "
                "Nothing was learned from them. Lower learning_rate, or look at the data of these steps."
            )

    def _share(self, buckets: Buckets) -> Iterator[list[int]]:
        """Of the step's batches those of this process. The others are passed over, and not encoded."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        for i in range(self.config["accumulation"] * processes):
            numbers = buckets.batch()
            if i % processes == rank:
                yield numbers

    def _encode_ahead(self) -> None:
        steps = self.config["encoder"].get("ahead", 0)
        if steps and self.step >= self.prepared:
            with self._base_away():
                self.ahead.prepare(self._upcoming(steps), self.accelerator.is_main_process)
            self.prepared = self.step + steps

    @contextmanager
    def _base_away(self) -> Iterator[None]:
        """While this lasts, a GPU has room for the text encoder where the frozen weights were."""
        device = self.accelerator.device
        if device.type == "cpu" or self.sharded:
            yield
            return
        self.base.to("cpu")
        torch.cuda.empty_cache()
        try:
            yield
        finally:
            self.base.to(device)

    def _upcoming(self, steps: int) -> Iterator[Place]:
        """Of the next steps, what this process will ask for."""
        stage, buckets = self.stage, self._buckets(self.stage)
        buckets.load(self.buckets.state())
        for step in range(self.step, min(self.step + steps, self.total)):
            if stage_of(step, self.config["stages"]) != stage:
                stage = stage_of(step, self.config["stages"])
                buckets = self._buckets(stage)
            for numbers in self._share(buckets):
                yield from ((stage, number) for number in numbers)

    def loss_of(self, numbers: list[int]) -> Tensor:
        encoded = [self.ahead.encoded(self.stage, number) for number in numbers]
        batch = to_device(collate(encoded), self.accelerator.device)
        noise, times = zip(*(self._chance(n, e) for n, e in zip(numbers, encoded)))
        noise, times = (torch.stack(t).to(batch.latent.device) for t in (noise, times))
        with self.accelerator.autocast():
            errors = flow_errors(self.model, batch, noise, times)
        self.log.bands(times, errors.detach())
        return errors.mean()

    def _chance(self, number: int, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Noise and time: a function of the run's seed, the stage and the example's number."""
        seed = seeded(self.config["seed"], self.stage, number).integers(1 << 62)
        g = torch.Generator().manual_seed(int(seed))
        noise = torch.randn(encoded.latent.shape, generator=g)
        return noise, draw_times(1, self.config["time"], len(encoded.latent), g)[0]

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
            facts = {"step": self.step, "seconds": self.seconds, "stage": self.stage, "config": self.config}
            facts["optimizer"] = optimizer_numbers(self.optimizer.state_dict())
            save_checkpoint(self.checkpoint, tensors, facts | {"buckets": self.buckets.state()})
        self.accelerator.wait_for_everyone()

    def load(self) -> None:
        tensors, facts = load_checkpoint(self.checkpoint)
        same_run(self.checkpoint, facts.get("config"), self.config)
        parts: dict[str, dict[str, Tensor]] = {"lora": {}, "average": {}, "optimizer": {}}
        for key, value in tensors.items():
            part, name = key.split("|", 1)
            parts[part][name] = value
        self.lora.load_state_dict(parts["lora"])
        self.average = {n: parts["average"][n].to(t.device) for n, t in self.lora.state_dict().items()}
        load_optimizer(self.optimizer, parts["optimizer"], facts.get("optimizer"))
        self.step, self.seconds, self.stage = facts["step"], facts["seconds"], facts["stage"]
        self.buckets = self._buckets(self.stage)
        self.buckets.load(facts["buckets"])
