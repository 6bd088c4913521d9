"""Measure what recording and the leak diagnostic cost a routed model, and write docs/benchmarks.md.

Recording is timed from inside, in the call it slows down; the leak diagnostic by taking turns.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT
from tools.report import write_section

from .attention import keep_memory, seconds

HIDDEN, HEADS, PROMPT, TEXT, POOLED = 3072, 24, 512, 4096, 768
DOUBLES, SINGLES = 1, 2
BLOCKS = 19 + 38  # of FLUX.1
SIDE, REFERENCE = 512, 320  # pixels
COUNTS = (2, 4)
GOAL = 0.03


def load_pack() -> Callable[[str], ModuleType]:
    """pack("nodes.host.plan") is that module, in the copy that the host loads."""
    import nodes

    asyncio.run(nodes.load_custom_node(str(ROOT)))
    name = nodes.NODE_CLASS_MAPPINGS["MusarRouting"].__module__.removesuffix(".nodes.routing")
    return lambda path: importlib.import_module(f"{name}.{path}")


class Clock:
    """Seconds spent in the functions it was put around."""

    def __init__(self) -> None:
        self.spent = 0.0

    def around(self, owner: object, name: str) -> None:
        inner = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent += time.perf_counter() - start

        setattr(owner, name, timed)


class Bench:
    """A FLUX of full width and few blocks, as the sampler calls it."""

    def __init__(self, pack: Callable[[str], ModuleType], device: torch.device) -> None:
        import comfy.ops
        from comfy.ldm.flux.model import Flux

        self.pack, self.place = pack, {"dtype": torch.bfloat16, "device": device}
        self.net = Flux(
            in_channels=16, out_channels=16, vec_in_dim=POOLED, context_in_dim=TEXT, hidden_size=HIDDEN,
            mlp_ratio=4.0, num_heads=HEADS, depth=DOUBLES, depth_single_blocks=SINGLES,
            axes_dim=[16, 56, 56], theta=10000, patch_size=2, qkv_bias=True, guidance_embed=True,
            txt_ids_dims=[], operations=comfy.ops.disable_weight_init, **self.place,
        )  # fmt: skip
        for p in self.net.parameters():
            nn.init.normal_(p, std=0.02)
        # A clock around each part: what every block adds, and what a step adds once.
        self.blocks, self.steps = Clock(), Clock()
        tally, self.maps = pack("musar_attention.record").Tally, pack("nodes.host.maps")
        self.blocks.around(tally, "own")
        self.steps.around(tally, "result")
        self.steps.around(self.maps, "draw_owners")

    def step(self, count: int, leak: bool) -> Callable[[], None]:
        """One call of the model with so many subjects, its map drawn as for a browser that watches."""
        wrapper, plan, keys = (self.pack(f"nodes.host.{name}") for name in ("wrapper", "plan", "keys"))
        settings = wrapper.Settings(True, True, (float("inf"), 0.0), (0, 1000), leak=leak)
        family = self.pack("nodes.host.families").FLUX1
        routing = wrapper.Routing(settings, family, SimpleNamespace(show=self._show))
        rows = REFERENCE // 16
        subjects = tuple(
            plan.PlannedSubject(f"subject {k}", ((rows, rows),), (8 * k,), None, 1.0, None)
            for k in range(count)
        )
        from comfy.patcher_extension import WrappersMP

        wrappers = {WrappersMP.DIFFUSION_MODEL: {keys.WRAPPER: [routing]}}
        latents = [
            torch.randn(1, 16, side // 8, side // 8, **self.place) for side in [SIDE] + count * [REFERENCE]
        ]
        words, pooled = torch.randn(1, PROMPT, TEXT, **self.place), torch.randn(1, POOLED, **self.place)
        sigma = torch.full((1,), 0.5, **self.place)

        def run() -> None:
            self.net(
                latents[0], sigma, words, pooled, sigma, latents[1:],
                transformer_options={"wrappers": wrappers, "sigmas": sigma},
                **{keys.PLAN: plan.Plan(family, subjects, plan.Placement("diagonal"))},
            )  # fmt: skip

        return run

    def _show(self, part: Any) -> None:
        (latest,) = part.steps.values()
        self.maps.draw_owners(part, [latest], part.names, 0)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    use_comfy()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        sys.exit("Recording is timed from inside, which needs a device that does not run ahead: a CPU.")
    bench, rows, worst = Bench(load_pack(), device), [], 0.0
    for count in tqdm(COUNTS, desc="recording", unit="case"):
        plain, leak = (bench.step(count, leak) for leak in (False, True))
        times, blocks, steps = {plain: [], leak: []}, [], []
        for turn in range(args.repeats + 1):
            for run, kept in times.items():
                bench.blocks.spent = bench.steps.spent = 0.0
                taken = seconds(run, device)
                if turn:  # the first turn warms up
                    kept.append(taken)
                    if run is plain:
                        blocks.append(bench.blocks.spent)
                        steps.append(bench.steps.spent)
        step, a_block, a_step = (statistics.median(x) for x in (times[plain], blocks, steps))
        few = DOUBLES + SINGLES
        share = (a_block + a_step) / step
        worst = max(worst, share)
        rows.append(
            f"| {count} | {step * 1e3:.0f} | {a_block / few * 1e3:.2f} | {a_step * 1e3:.2f} | "
            f"**{share:.2%}** | {(a_block + a_step * few / BLOCKS) / step:.2%} | "
            f"**{statistics.median(times[leak]) / step - 1:+.0%}** |"
        )
    text = [
        f"A FLUX at full width ({HIDDEN}, {HEADS} heads) of {DOUBLES} double and {SINGLES} single blocks: "
        f"{PROMPT} prompt tokens, a picture of {SIDE}², references of {REFERENCE}², static and dynamic "
        f"routing in every block, bfloat16, torch {torch.__version__}, {device.type} ({platform.machine()}, "
        f"{torch.get_num_threads()} threads), median of {args.repeats} turns. *Recording* is what each block "
        "adds to the owner map, and once a step the averages and the picture of the map that MUSAR Routing "
        f"shows while it runs; in a FLUX.1 of {BLOCKS} blocks that weighs {BLOCKS // few} times less. "
        "*Leak* is what the switch of MUSAR Routing adds to a step.",
        "",
        "| subjects | step ms | recording, a block ms | a step ms | recording adds | in a whole FLUX.1 | "
        "leak adds |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
    write_section(ROOT / "docs" / "benchmarks.md", "Recording and leak", "make bench-record", text)
    print("\n".join(text))
    if worst > GOAL:
        sys.exit(f"Recording missed its goal: at most {GOAL:.0%} of a step.")


if __name__ == "__main__":
    main()
