"""`accelerate launch -m training.train --config training/configs/….yaml`"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tools.whole_file import save_whole

from .config import check_config, read_config
from .data.feed import Feed
from .data.often import often
from .data.reader import open_source
from .data.sizes import Sizes
from .dry_run import dry_run
from .encoders import open_encoder
from .network.base import load_base
from .network.dual_lora import exported_state, metadata
from .network.model import Trained, Variant, Wiring
from .network.quantised import quantise, same_everywhere
from .run.checkpoint import how_to_go_on
from .run.examples import Examples
from .run.processes import leave
from .run.trainer import EachStep, Trainer
from .run.validation import Validation

LORA = "dual_lora.safetensors"
TOO_LITTLE_MEMORY = """the memory is full. What makes a run smaller, the cheapest first:
  --set checkpointing=true        blocks run again in the backward pass; a third more time
  --set encoder.ahead=300         T5 and the VAE are not beside FLUX in memory
  --set quantise=int8             with the package torchao: half the memory of the base; nf4: a third or less
  --set batch=1                   with accumulation=… the step stays as large
  --set optimizer=adamw8bit       with the package bitsandbytes: a third of the optimizer's memory
  --set shard=true                the base is spread over several GPUs
  --set pixels.target=384         smaller pictures; pixels.reference likewise
  --set variant.ranks.subject=64  a smaller LoRA
An earlier checkpoint goes on with checkpointing, encoder.ahead and shard; the others begin a new run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder for the checkpoint and the LoRA")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="over the config: batch=2, time.std=1"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what the run will take")
    args = parser.parse_args()
    try:
        config = read_config(args.config, args.set)
        if args.dry_run:
            check_config(config)
            for line in dry_run(config, open_feeds(config), args.output):
                print(line)
        else:
            train(config, args.output)
            leave()
    except ValueError as error:
        raise SystemExit(f"training: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"\n{how_to_go_on(args.output)}") from None
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise SystemExit(f"training: {TOO_LITTLE_MEMORY}\n{how_to_go_on(args.output)}") from None


def out_of_memory(error: RuntimeError) -> bool:
    """A GPU's, or that of the machine."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def train(config: dict, folder: Path, each_step: EachStep = lambda trainer, loss: None) -> Trainer:
    """The whole run, or the rest of it, and the LoRA beside its checkpoint."""
    check_config(config)
    PartialState(cpu=config["cpu"])  # which GPU is this process's
    feeds = open_feeds(config)
    encoder = open_encoder(config["encoder"])
    looks = [keep_stages, each_step]
    if config["validation"]:
        sizes = Sizes(**(config["pixels"] or {}))
        looks.append(Validation(config["validation"], encoder, config["condition_prompts"], sizes))
        if config["encoder"].get("ahead"):
            encoder.free()
    trainer = Trainer(config, new_model(config), Examples(config, feeds, encoder), folder)
    for told in often(config, feeds, trainer.accelerator.num_processes):
        trainer.accelerator.print(told)
    trainer.run(lambda trainer, loss: [look(trainer, loss) for look in looks])
    trainer.log.close()
    for feed in feeds:
        feed.learn_of(gather_object([feed.told()]))
    if trainer.accelerator.is_main_process:
        export(trainer, folder / LORA)
        print(*dict.fromkeys(line for feed in feeds for line in feed.report()), sep="\n")
    return trainer


def keep_stages(trainer: Trainer, loss: float) -> None:
    """A LoRA at the end of every stage but the last: a later one may do harm, and the checkpoint goes on."""
    ends = list(accumulate(stage["steps"] for stage in trainer.config["stages"]))
    if trainer.step in ends[:-1] and trainer.accelerator.is_main_process:
        export(trainer, trainer.folder / f"dual_lora_stage_{ends.index(trainer.step) + 1}.safetensors")


def open_feeds(config: dict) -> list[Feed]:
    """One for each stage."""
    source = open_source(config["data"])
    seed, sizes = config["seed"], Sizes(**(config["pixels"] or {}))
    another = config.get("another_in_phrase", False)
    return [
        Feed(
            source,
            stage["mix"],
            1000 * seed + i,
            together=config["batch"],
            sizes=sizes,
            another_in_phrase=another,
        )
        for i, stage in enumerate(config["stages"])
    ]


def new_model(config: dict) -> Trained:
    dtype = torch.bfloat16 if config["precision"] == "bf16" and not config["cpu"] else torch.float32
    return learning(load_base(Path(config["base"]), dtype), config)


def learning(base: nn.Module, config: dict) -> Trained:
    """A new LoRA on this base, whose weights this may make smaller."""
    if config.get("quantise"):
        quantise(base, config["quantise"], torch.device("cpu") if config["cpu"] else PartialState().device)
    torch.manual_seed(config["seed"])
    model = Trained(base, Variant(**config["variant"]), Wiring(**config["wiring"]))
    if config.get("start"):
        begin_from(model, Path(config["start"]))
    same_everywhere(model)
    if config["checkpointing"]:
        model.flux.enable_gradient_checkpointing()
    if config["compile"]:
        torch._dynamo.config.recompile_limit = 64  # one graph a shape of batch
        model.flux.compile_repeated_blocks(dynamic=False)
    return model


def begin_from(model: Trained, file: Path) -> None:
    """The LoRA of an earlier run. ValueError says why not."""
    if not file.is_file():
        raise ValueError(f"start is {file}, and there is no such file.")
    try:
        model.lora.load_exported(load_file(file))
    except (ValueError, RuntimeError, SafetensorError) as error:  # other layers, other ranks, no safetensors
        raise ValueError(f"start {file} does not fit this base and variant.ranks: {error}") from None


def export(trainer: Trainer, file: Path) -> None:
    """The average of the weights, in bf16, as the node reads it."""
    write_lora(trainer.average, trainer.config, trainer.step, trainer.seconds, file)


def write_lora(average: Mapping[str, Tensor], config: dict, step: int, seconds: float, file: Path) -> None:
    state = {n: t.to("cpu", torch.bfloat16) for n, t in exported_state(average).items()}
    base = str(config["base"]).rsplit("/", 1)[-1]
    save_whole(state, file, metadata(config["variant"]["ranks"], base, step, seconds, trained_as(config)))


def trained_as(config: dict) -> dict:
    """What a graph should do likewise, and what it learned from."""
    variant, wiring = Variant(**config["variant"]), Wiring(**config["wiring"])
    return {
        "static": variant.static,
        "dynamic": variant.dynamic,
        "accumulate": variant.accumulate,
        "evidence": variant.rule,
        "owners_by": variant.owners_by,
        "positions": wiring.positions,
        "places": wiring.places,
        "guidance": wiring.guidance,
        "condition_prompts": config["condition_prompts"],
        "data": config["data"]["kind"],
    } | ({"quantised": config["quantise"]} if config.get("quantise") else {})


if __name__ == "__main__":
    main()
