"""`accelerate launch -m training.train --config training/configs/….yaml`"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from .data.feed import Feed
from .data.reader import open_source
from .encoders import Encoder, open_encoder
from .network.base import load_base
from .network.batch import Encoded, encode_example
from .network.dual_lora import DualLora, metadata
from .network.model import Trained, Variant, Wiring
from .run.drop import drop
from .run.trainer import EachStep, Encode, Trainer, seeded
from .run.validation import Validation

LORA = "dual_lora.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder for the checkpoint and the LoRA")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="over the config: batch=2, time.std=1"
    )
    args = parser.parse_args()
    try:
        config = read_config(args.config, args.set)
        train(config, args.output)
    except ValueError as error:
        raise SystemExit(f"training: {error}") from None


def read_config(file: Path, changes: list[str]) -> dict:
    if not file.is_file():
        raise ValueError(f"config is {file}, and there is no such file.")
    config = yaml.safe_load(file.read_text())
    for change in changes:
        keys, equals, value = change.partition("=")
        *path, last = keys.split(".")
        part = config
        for key in path:
            part = part.get(key) if isinstance(part, dict) else None
        if not equals or not isinstance(part, dict) or last not in part:
            raise ValueError(f"--set {change}: the config has no {keys}. Write KEY=VALUE with a key it has.")
        part[last] = yaml.safe_load(value)
    return config


def train(config: dict, folder: Path, each_step: EachStep = lambda trainer, loss: None) -> Trainer:
    """The whole run, or the rest of it, and the LoRA beside its checkpoint."""
    feeds = open_feeds(config)
    encoder = open_encoder(config["encoder"])
    looks = [each_step]
    if config["validation"]:
        looks.append(Validation(config["validation"], encoder, config["condition_prompts"]))
    trainer = Trainer(config, new_model(config), encoder_of(config, feeds, encoder), folder)
    trainer.run(lambda trainer, loss: [look(trainer, loss) for look in looks])
    if trainer.accelerator.is_main_process:
        export(trainer, folder / LORA)
        for feed in feeds:
            print(*feed.report(), sep="\n")
    return trainer


def open_feeds(config: dict) -> list[Feed]:
    """One for each stage."""
    source = open_source(config["data"])
    seed = config["seed"]
    return [
        Feed(source, stage["mix"], 1000 * seed + i, together=config["batch"])
        for i, stage in enumerate(config["stages"])
    ]


def new_model(config: dict) -> Trained:
    dtype = torch.bfloat16 if config["precision"] == "bf16" and not config["cpu"] else torch.float32
    torch.manual_seed(config["seed"])
    model = Trained(
        load_base(Path(config["base"]), dtype), Variant(**config["variant"]), Wiring(**config["wiring"])
    )
    if config["checkpointing"]:
        model.flux.enable_gradient_checkpointing()
    if config["compile"]:
        torch._dynamo.config.recompile_limit = 64  # one graph a shape of batch
        model.flux.compile_repeated_blocks(dynamic=False)
    return model


def encoder_of(config: dict, feeds: list[Feed], encoder: Encoder) -> Encode:
    """encode(stage, number): a function of these alone."""

    @lru_cache(4 * config["batch"])
    def encode(stage: int, number: int) -> Encoded:
        rng = seeded(config["seed"], stage, number, "drop")
        example = drop(feeds[stage][number], config["drop"], rng)
        return encode_example(example, encoder, config["condition_prompts"])

    return encode


def export(trainer: Trainer, file: Path) -> None:
    """The average of the weights, in bf16, as the node reads it."""
    lora: DualLora = trainer.lora
    with trainer.averaged():
        state = {n: t.to(torch.bfloat16).cpu() for n, t in lora.exported().items()}
    base = str(trainer.config["base"]).rsplit("/", 1)[-1]
    facts = metadata(lora, base, trainer.step, trainer.seconds, trained_as(trainer.config))
    part = file.with_suffix(".part")
    save_file(state, part, facts)
    part.replace(file)


def trained_as(config: dict) -> dict:
    """What a graph should do likewise, and what it learned from."""
    variant, wiring = Variant(**config["variant"]), Wiring(**config["wiring"])
    return {
        "static": variant.static,
        "dynamic": variant.dynamic,
        "accumulate": variant.accumulate,
        "evidence": variant.rule,
        "positions": wiring.positions,
        "places": wiring.places,
        "guidance": wiring.guidance,
        "condition_prompts": config["condition_prompts"],
        "data": config["data"]["kind"],
    }


if __name__ == "__main__":
    main()
