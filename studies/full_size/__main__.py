"""`make full-size`: the trainer on FLUX.1-dev or FLUX.2 klein with random weights of full size.

What is seen is that it fits, what a step takes and that a run goes on; what is learned says nothing.
The same folder again, with more steps, goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from tools.comfy_server import ROOT
from training.config import check_config, read_config
from training.estimate import Case, network
from training.network.batch import TOKEN

from ..device import DEVICE
from .measure import measure

FOLDER = ROOT / "runs" / "full_size"
FIGURES = "figures.jsonl"
MODELS = {  # in training/estimate.py, and its config
    "dev": ("FLUX.1-dev", "flux_dev.yaml"),
    "klein": ("FLUX.2 klein 4B", "flux2_klein_4b.yaml"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="klein")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="of a panel and of a reference, in pixels")
    parser.add_argument("--diptych", action="store_true", help="two panels and two references")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for figures.jsonl and the checkpoints")
    parser.add_argument("--no-save", action="store_true", help="no checkpoint after the last step")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="over the config: compile=true"
    )
    args = parser.parse_args()
    if args.size < TOKEN or args.size % TOKEN:
        parser.error(f"--size is {args.size}, and must be a multiple of {TOKEN}.")
    if args.steps < 1:
        parser.error(f"--steps is {args.steps}, and must be 1 or more.")
    name, file = MODELS[args.model]
    case = case_of(args.size, args.diptych)
    kind = "diptych" if args.diptych else "single"
    run = args.folder / f"{args.model}_{args.size}_{kind}"
    try:
        config = config_of(file, name, args.size, kind, args.steps, args.set)
        figures = measure(partial(network, name), config, case, run, not args.no_save)
    except ValueError as error:
        raise SystemExit(f"full size: {error}") from None
    figures = {"model": name} | figures | {"set": args.set}
    with (args.folder / FIGURES).open("a") as lines:
        lines.write(json.dumps(figures) + "\n")
    print(told(figures))


def case_of(size: int, diptych: bool) -> Case:
    if diptych:
        return Case(f"diptych, {2 * size}×{size}", (size, 2 * size), ((size, size),) * 2)
    return Case(f"single, {size}²", (size, size), ((size, size),))


def config_of(file: str, base: str, size: int, kind: str, steps: int, changes: list[str]) -> dict:
    """A user's config, but for what would be read from disk; one checkpoint, after the last step."""
    ours = [
        f"base={base}",
        "encoder.ahead=0",
        f"data={{kind: random, mode: {kind}}}",
        f"pixels={{target: {size}, reference: {size}}}",
        f"stages=[{{steps: {steps}, mix: {{single: 1.0}}}}]",
        f"save_every={steps}",
        "batch=1",
        "checkpointing=true",
        "log=false",
        f"cpu={str(DEVICE.type == 'cpu').lower()}",
    ]
    config = read_config(ROOT / "training" / "configs" / file, [*ours, *changes])
    check_config(config)
    return config


def told(figures: dict) -> str:
    first, last = figures["loss"]
    return (
        f"{figures['model']} on {figures['device']}; {figures['sample']}, {figures['tokens']} tokens, "
        f"{figures['steps']} steps from {figures['first step']}: {figures['seconds a step']:.3f} s a step "
        f"(median of {figures['timed']}), {figures['TFLOPS']:.1f} TFLOPS; peak {figures['peak, GB']:.2f} GB, "
        f"estimated {figures['estimated, GB']:.2f} ({figures['peak / estimated']:.2f}); "
        f"loss {first:.4f} to {last:.4f}"
    )


if __name__ == "__main__":
    main()
