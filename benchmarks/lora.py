"""Measure the dual LoRA on FLUX-width blocks of the host, and write it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import platform
import statistics
import sys

import torch
from torch import Tensor, nn
from tqdm import tqdm

from musar_attention import LowRank, SubjectTokens, TokenLayout, add_dual_lora
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT
from tools.report import write_section

from .attention import keep_memory, seconds

HIDDEN, HEADS = 3072, 24
RANKS = {"subject": 128, "noise": 4}
LAYOUT = TokenLayout(512, (32, 32), tuple(SubjectTokens((20, 20), (k,), 16) for k in range(3)))
WAYS = ("plain", "dual", "all tokens")


class Bench:
    """One block of the host, with low-rank pairs on its linear layers that act as `way` says."""

    def __init__(self, kind: str, device: torch.device, dtype: torch.dtype) -> None:
        import comfy.ops
        from comfy.ldm.flux import layers

        block = layers.DoubleStreamBlock if kind == "double" else layers.SingleStreamBlock
        place = {"dtype": dtype, "device": device}
        self.kind, self.way = kind, "plain"
        self.block = block(
            HIDDEN, HEADS, mlp_ratio=4.0, operations=comfy.ops.disable_weight_init, **place,
            **({"qkv_bias": True} if kind == "double" else {}),
        )  # fmt: skip
        for p in self.block.parameters():
            nn.init.normal_(p, std=0.02)
        for name, layer in self.block.named_modules():
            if isinstance(layer, nn.Linear) and "mod" not in name:
                stream = "joint" if kind == "single" else "image" if name.startswith("img") else "text"
                pairs = {branch: [_pair(layer, rank, place)] for branch, rank in RANKS.items()}
                layer.register_forward_hook(self._hook(stream, pairs))
        heads = layers.EmbedND(128, 10000, [16, 56, 56])
        self.pe = heads(torch.zeros(1, LAYOUT.length, 3, device=device))
        self.tokens = torch.randn(1, LAYOUT.length, HIDDEN, **place)
        self.vec = torch.randn(1, HIDDEN, **place)

    def _hook(self, stream: str, pairs: dict[str, list[LowRank]]):
        def add(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
            if self.way == "dual":
                add_dual_lora(output, inputs[0], LAYOUT, stream, pairs)
            elif self.way == "all tokens":
                (pair,) = pairs["subject"]
                output += pair.up(pair.down(inputs[0]) * pair.scale)

        return add

    def run(self) -> None:
        tokens = self.tokens.clone()
        if self.kind == "single":
            self.block(tokens, self.vec, self.pe)
        else:
            text = LAYOUT.text_length
            self.block(tokens[:, text:].contiguous(), tokens[:, :text].contiguous(), self.vec, self.pe)


def _pair(layer: nn.Linear, rank: int, place: dict) -> LowRank:
    import comfy.ops

    linear = comfy.ops.manual_cast.Linear  # as in the node: the host casts and moves them
    down = linear(layer.in_features, rank, bias=False, **place)
    up = linear(rank, layer.out_features, bias=False, **place)
    for p in (down.weight, up.weight):
        nn.init.normal_(p, std=0.02)
    return LowRank(down, up, 0.5)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    args = parser.parse_args()
    use_comfy()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows, dearer = [], []
    for kind in tqdm(("double", "single"), desc="dual LoRA", unit="block"):
        bench, times = Bench(kind, device, getattr(torch, args.dtype)), {way: [] for way in WAYS}
        for turn in range(args.repeats + 1):
            for way in WAYS:
                bench.way = way
                taken = seconds(bench.run, device)
                if turn:  # the first turn warms up
                    times[way].append(taken)
        plain, dual, everything = (statistics.median(times[way]) for way in WAYS)
        dearer.append(min(times["dual"]) > min(times["all tokens"]))
        rows.append(
            f"| {kind} | {plain * 1e3:.0f} | {dual * 1e3:.0f} | {everything * 1e3:.0f} | "
            f"**{dual / plain - 1:+.1%}** | {everything / plain - 1:+.1%} | {dual / everything:.2f}× |"
        )
    text = [
        f"One block of the host at FLUX width ({HIDDEN}, {HEADS} heads): {LAYOUT.prompt} prompt tokens, "
        f"a picture of {LAYOUT.target_length}, three references of 400 with condition prompts of 16. "
        f"Ranks {RANKS['subject']} and {RANKS['noise']} on every attention and MLP layer, full "
        f"attention, {args.dtype}, torch {torch.__version__}, {device.type} ({platform.machine()}, "
        f"{torch.get_num_threads()} threads), median of {args.repeats} turns. *All tokens* is an "
        f"ordinary unmerged LoRA of rank {RANKS['subject']} on every token.",
        "",
        "| block | without ms | dual ms | all tokens ms | dual adds | all tokens adds | dual / all tokens |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
    write_section(ROOT / "docs" / "benchmarks.md", "Dual LoRA", "make bench-lora", text)
    print("\n".join(text))
    if any(dearer):
        sys.exit("The dual LoRA cost more than one on all tokens, though it touches fewer.")


if __name__ == "__main__":
    main()
