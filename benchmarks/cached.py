"""Measure FLUX.2 with core's Flux KV Cache, routed and not, and write docs/benchmarks.md.

A step after the first, against the same step from words alone: what references cost. Per count the ways take
turns, so that they share the machine's noise; figures are medians and their ratios.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import nn
from tqdm import tqdm

from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT
from tools.report import write_section

from .attention import keep_memory, seconds
from .record import load_pack

HIDDEN, HEADS, PROMPT, TEXT = 3072, 24, 512, 7680  # klein 4B's
DOUBLES, SINGLES = 1, 1
COUNTS = (1, 2, 4, 8)
METHOD = "index_timestep_zero"  # of references, with the cache
USUAL, MANY = "FLUX.2", "FLUX.2, four or more"  # presets
WAYS = {  # name: with references, cached, the preset; None = not routed
    "words alone": (False, False, None),
    "references": (True, False, None),
    "cached": (True, True, None),
    "routed": (True, False, USUAL),
    "cached and routed": (True, True, USUAL),
    "routed, four or more": (True, False, MANY),
    "cached and routed, four or more": (True, True, MANY),
}
GOAL = 1.3  # of words alone, cached and routed


class Kept:
    """What core's node sets on a model."""

    def __init__(self) -> None:
        from comfy_extras.nodes_flux import FluxKVCache

        self.patches: dict[str, list] = {}
        self.model = SimpleNamespace(diffusion_model=SimpleNamespace(params=None))
        FluxKVCache.execute(self)

    def clone(self) -> Kept:
        return self

    def set_model_attn1_patch(self, patch: Callable) -> None:
        self.patches["attn1_patch"] = [patch]

    def set_model_post_input_patch(self, patch: Callable) -> None:
        self.patches["post_input"] = [patch]

    def add_object_patch(self, name: str, value: str) -> None:
        """METHOD is said at each call."""


class Bench:
    """A klein of full width and few blocks, as the sampler calls it."""

    def __init__(self, device: torch.device, side: int) -> None:
        import comfy.ops
        from comfy.ldm.flux.model import Flux

        self.pack, self.place, self.side = load_pack(), {"dtype": torch.bfloat16, "device": device}, side
        self.net = Flux(
            in_channels=128, out_channels=128, vec_in_dim=None, context_in_dim=TEXT, hidden_size=HIDDEN,
            mlp_ratio=3.0, num_heads=HEADS, depth=DOUBLES, depth_single_blocks=SINGLES,
            axes_dim=[32, 32, 32, 32], theta=2000, patch_size=1, qkv_bias=False, guidance_embed=False,
            txt_ids_dims=[3], global_modulation=True, mlp_silu_act=True, ops_bias=False,
            operations=comfy.ops.disable_weight_init, **self.place,
        )  # fmt: skip
        for p in self.net.parameters():
            nn.init.normal_(p, std=0.02)

    def step(self, count: int, cached: bool, preset: str | None) -> Callable[[], None]:
        """One call of the model with so many references."""
        wrapper, plan, keys = (self.pack(f"nodes.host.{name}") for name in ("wrapper", "plan", "keys"))
        from comfy.patcher_extension import WrappersMP

        family = self.pack("nodes.host.families").FLUX2
        chosen = next((p for p in family.presets if p.name == preset), None)
        settings = wrapper.Settings(False, True, (float("inf"), 0.0), (0, 1000), by_hand=False)
        options: dict = {"sigmas": torch.full((1,), 0.5, **self.place), "uuids": [0], "cond_or_uncond": [0]}
        options["patches"] = Kept().patches if cached else {}
        given: dict = {"ref_latents_method": METHOD}
        rows = self.side // 32
        if chosen:
            options["wrappers"] = {
                WrappersMP.DIFFUSION_MODEL: {keys.WRAPPER: [wrapper.Routing(settings, family)]}
            }
            subjects = tuple(
                plan.PlannedSubject(f"subject {k}", ((rows, rows),), (8 * k,), None, 1.0, None)
                for k in range(count)
            )
            given[keys.PLAN] = plan.Plan(family, subjects, plan.Placement("index", preset=chosen))
        picture = torch.randn(1, 128, self.side // 16, self.side // 16, **self.place)
        references = [torch.randn(1, 128, rows, rows, **self.place) for _ in range(count)]
        words = torch.randn(1, PROMPT, TEXT, **self.place)

        def run() -> None:
            self.net(
                picture, options["sigmas"], words, None, None, references or None,
                transformer_options=options, **given,
            )  # fmt: skip

        return run


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--side", type=int, default=1024, help="of the picture, in pixels; references are half"
    )
    args = parser.parse_args()
    use_comfy()
    from comfy.cli_args import args as host

    host.use_pytorch_cross_attention = True  # as the host does by itself on CUDA
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bench, lines = Bench(device, args.side), []
    for count in tqdm(COUNTS, desc="cached", unit="case"):
        runs = {n: bench.step(count * some, cached, preset) for n, (some, cached, preset) in WAYS.items()}
        times: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(args.repeats + 1):
            for name, run in runs.items():
                taken = seconds(run, device)
                if turn:  # the first turn warms up, and fills the caches
                    times[name].append(taken)
        medians = {name: statistics.median(t) for name, t in times.items()}
        plain = medians.pop("words alone")
        shown = " | ".join(
            f"{'**' * (n == 'cached and routed')}{t / plain:.2f}×{'**' * (n == 'cached and routed')}"
            for n, t in medians.items()
        )
        lines.append(f"| {count} | {plain * 1e3:.0f} | {shown} |")
    tokens = (args.side // 16) ** 2
    text = [
        f"A FLUX.2 klein 4B at full width ({HIDDEN}, {HEADS} heads) of {DOUBLES} double and {SINGLES} single "
        f"block: {PROMPT} prompt tokens, a picture of {tokens} and references of {tokens // 4} tokens each, "
        f"dynamic routing in every block, as the presets {USUAL} and {MANY} have it, bfloat16, "
        f"PyTorch's attention, torch {torch.__version__}, {device.type} ({platform.machine()}, "
        f"{torch.get_num_threads()} threads), median of {args.repeats} turns. A step after the first, "
        "against the same step from words alone; *cached* is core's Flux KV Cache. "
        f"Goal: {GOAL}× with eight references, cached and routed.",
        "",
        f"| references | words alone ms | {' | '.join(list(WAYS)[1:])} |",
        "|---:|---:|" + "---:|" * (len(WAYS) - 1),
        *lines,
    ]
    write_section(ROOT / "docs" / "benchmarks.md", "FLUX.2 with kept keys", "make bench-cached", text)
    print("\n".join(text))


if __name__ == "__main__":
    main()
