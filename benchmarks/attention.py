"""Measure routed attention against full and masked attention, and write docs/benchmarks.md.

One layer at FLUX width on whatever device is here. Per case the three ways take turns, so that
they share the machine's noise; figures are medians and their ratios.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from musar_attention import (
    SubjectTokens,
    TokenLayout,
    affinity,
    assign,
    phrase_weights,
    routed_attention,
    routing_mask,
    settled,
)
from tools.comfy_server import ROOT
from tools.report import write_section

HEADS, DEPTH, PROMPT = 24, 128, 512
TARGETS = ((32, 32), (64, 64))
REFERENCE = (32, 32)
COUNTS = range(1, 9)


def make_layout(target: tuple[int, int], count: int) -> TokenLayout:
    phrases = [tuple(range(8 * k, 8 * k + 3)) for k in range(count)]
    return TokenLayout(PROMPT, target, tuple(SubjectTokens(REFERENCE, p) for p in phrases))


def pairs(layout: TokenLayout) -> tuple[int, int]:
    """Query-key pairs of full and of routed attention: the work of each."""
    common = layout.prompt + layout.target_length + layout.extra
    own = [s.text + sum(h * w for h, w in s.views) for s in layout.subjects]
    routed = (layout.prompt + layout.extra) * common
    routed += sum(o * (o + layout.target_length) for o in own)
    routed += layout.target_length * (common + sum(own) // len(own))
    return layout.length**2, routed


def peak_megabytes(run: Callable[[], object], device: torch.device) -> float:
    """Memory that one call needs on top of its inputs."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 2**10


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def keep_memory() -> None:
    """Let the C library keep freed memory, as CUDA's caching allocator does.

    Without it each large tensor is handed back and faulted in anew, page by page, and on a
    virtual machine that costs more than filling it. It holds for all three ways alike.
    """
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(-4, 0)  # M_MMAP_MAX
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def seconds(run: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(layout: TokenLayout, device: torch.device, dtype: torch.dtype, repeats: int) -> dict:
    g = torch.Generator().manual_seed(0)
    shape = (3, 1, HEADS, layout.length, DEPTH)
    q, k, v = torch.randn(shape, generator=g, dtype=torch.float32).to(device, dtype)
    weights = phrase_weights(layout, device)

    def owners() -> torch.Tensor:
        if settled(layout):
            return torch.zeros(1, layout.target_length, dtype=torch.int64, device=device)
        return assign(affinity(q, k, layout, weights))

    def routed() -> torch.Tensor:
        return routed_attention(q, k, v, layout, owners())

    def full() -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v)

    allowed = routing_mask(layout, owners())[:, None]
    bias = torch.zeros(allowed.shape, device=device, dtype=dtype)
    bias.masked_fill_(~allowed, float("-inf"))
    del allowed

    def masked() -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

    ways = {"routed": routed, "full": full, "mask": masked}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, run in ways.items():
            taken = seconds(run, device)
            if turn:  # the first turn warms up
                times[name].append(taken)
    result = {name: statistics.median(t) for name, t in times.items()}
    result |= {f"{name} MB": peak_megabytes(run, device) for name, run in ways.items()}
    result["mask MB"] += bias.numel() * bias.element_size() / 2**20
    counted = pairs(layout)
    return result | {"allowed": counted[0] / counted[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    args = parser.parse_args()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, args.dtype)
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    )

    cases = [(target, c) for target in TARGETS for c in COUNTS]
    rows, reached = [], []
    for target, c in tqdm(cases, desc="attention", unit="case"):
        layout = make_layout(target, c)
        r = measure(layout, device, dtype, args.repeats)
        ratio = r["full"] / r["routed"]
        reached.append((layout.target_length, c, ratio, ratio / r["allowed"]))
        rows.append(
            f"| {layout.target_length} | {c} | {r['routed'] * 1e3:.0f} | {r['full'] * 1e3:.0f} | "
            f"{r['mask'] * 1e3:.0f} | **{ratio:.2f}×** | {r['allowed']:.2f}× | "
            f"{ratio / r['allowed']:.0%} | {r['mask'] / r['routed']:.2f}× | {r['routed MB']:.0f} | "
            f"{r['full MB']:.0f} | {r['mask MB']:.0f} |"
        )
    worst = min(share for _, c, _, share in reached if c >= 2)
    four = next(ratio for n, c, ratio, _ in reached if (n, c) == (1024, 4))
    text = [
        f"One layer of {HEADS} heads × {DEPTH}, {PROMPT} prompt tokens, references of "
        f"{REFERENCE[0] * REFERENCE[1]} tokens, static and dynamic routing, batch 1, {args.dtype}, "
        f"torch {torch.__version__}, {device.type} ({name}, {torch.get_num_threads()} threads), "
        f"median of {args.repeats} turns. *Routed* includes the affinity and the choice of owners. "
        "*Masked* is the same routes as a dense additive mask, made beforehand. *Allowed* is what "
        "the counted query–key pairs of the attention allow, affinity not counted. Memory is what "
        "a call needs beyond q, k and v, the mask included. Freed memory is kept by the process "
        "for all three ways, as CUDA's allocator keeps it.",
        "",
        "| picture tokens | subjects | routed ms | full ms | masked ms | full / routed | allowed | "
        "reached | masked / routed | routed MB | full MB | masked MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"Least share of the allowed ratio at two or more subjects: {worst:.0%}. "
        f"At 1024 picture tokens and four subjects routed attention is {four:.2f}× as fast as full.",
    ]
    write_section(ROOT / "docs" / "benchmarks.md", "Routed attention", "make bench-attention", text)
    print("\n".join(text))
    if worst < 0.75 or four < 1.8:
        sys.exit("Routed attention missed its goal: 75 % of the allowed ratio, and 1.8× at 1024 × 4.")


if __name__ == "__main__":
    main()
