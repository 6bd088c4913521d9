"""What a run will take, before it takes it: the config, the data and one batch of each stage are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from .data.feed import Feed
from .data.often import often
from .encoders import open_encoder
from .estimate import GB, Case, estimate, state_bytes
from .network.base import family_in, inside_of, load_base
from .network.model import Trained, Variant, Wiring
from .network.quantised import held, making
from .run.buckets import Buckets
from .run.checkpoint import how_to_go_on
from .run.examples import Examples


def dry_run(config: dict, feeds: Sequence[Feed], folder: Path) -> Iterator[str]:
    """Lines; `config` was checked."""
    examples = Examples(config, feeds, open_encoder(config["encoder"]))
    model = _shape_of_model(config)
    learned = sum(p.numel() for p in model.lora.parameters())
    base = sum(p.numel() for p in model.flux.parameters())
    size = 2 if config["precision"] == "bf16" and not config["cpu"] else 4
    quantise = config.get("quantise")
    weights = held(model.flux, quantise, size) + making(model.flux, quantise) + state_bytes(learned)
    yield f"{feeds[0].source.name}: {len(feeds[0].source)} rows."
    yield from feeds[0].source.notes()
    yield f"The base has {base / 1e6:.1f} million parameters, the LoRA {learned / 1e6:.1f} million."
    yield (
        f"Weights: {weights / GB:.2f} GB on a GPU, the LoRA's gradients, average and optimizer among them."
    )
    for stage, settings in enumerate(config["stages"]):
        numbers = Buckets(lambda n, s=stage: examples.shape(s, n), config["batch"]).batch()
        target, text, references, words = examples.shape(stage, numbers[0])
        example = examples.example(stage, numbers[0])
        case = Case("", _pixels(target), tuple(map(_pixels, references)), text)
        found = estimate(model, case)
        yield (
            f"Stage {stage + 1}, {settings['steps']} steps of {config['batch']} × {config['accumulation']} a "
            f"process, {found.tokens - 16 * len(references) + sum(words)} tokens in the first sample: "
            f"{example.prompt!r}"
        )
        yield (
            f"  activations: {config['batch'] * (found.kept + found.peak) / GB:.2f} GB with checkpointing; "
            f"{config['batch'] * config['accumulation'] * found.step / 1e12:.1f} TFLOP a step"
        )
        yield f"  ahead: {_ahead(config, model, case) / GB:.2f} GB of disk a process"
    yield from often(config, feeds, 1, least=0)
    yield "With several processes, so many times more."
    yield f"Each checkpoint: {16 * learned / GB:.2f} GB, and as much while it is replaced."
    yield how_to_go_on(folder)


def _shape_of_model(config: dict) -> Trained:
    path = Path(config["base"])
    if path.is_dir():
        kind = family_in(path).kind
        with torch.device("meta"):
            flux = kind.from_config(kind.load_config(inside_of(path)))
    else:
        flux = load_base(path).to("meta")
    return Trained(
        flux.to(torch.bfloat16),
        Variant(ranks=config["variant"]["ranks"], static=False, dynamic=False),
        Wiring(),
    )


def _ahead(config: dict, model: Trained, case: Case) -> float:
    """Bytes that are encoded ahead at a time."""
    steps = config["encoder"].get("ahead", 0) * config["batch"] * config["accumulation"]
    cells = sum(height * width / 64 for height, width in (case.target, *case.references))
    return steps * (model.family.width * cells + 2 * case.text * model.flux.config.joint_attention_dim)


def _pixels(tokens: tuple[int, int]) -> tuple[int, int]:
    return tokens[0] * 16, tokens[1] * 16
