"""`make train-estimate`: memory and arithmetic of training at full size, counted and not guessed.

The network is built without its weights and run on shapes alone: autograd says which tensors it
would keep, a counter how many operations there are. Nothing is timed; the time is the arithmetic
over a speed that you give.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .network.batch import Batch
from .network.family import FLUX2
from .network.model import Trained, Variant, Wiring
from .network.quantised import KINDS, held, making
from .network.sequence import Condition

GB = 1e9
ENCODERS = {  # parameters, as published
    "FLUX.1-dev": {"T5-XXL": 4.76e9, "CLIP-L": 0.123e9, "VAE": 0.084e9},
    "FLUX.2 klein 4B": {"Qwen3-4B": 4.02e9, "VAE": 0.084e9},
}
WORDS = 16  # tokens of a condition prompt
WIRING = Wiring(exact_times=False)  # without autocast, as here, exact times would make all float32
CARDS = (12, 16, 24, 32, 48, 80)
RESERVE = 1.2e9  # assumed: the driver's own, and what the allocator cannot use
SMALLER_RANK = 64  # of the subject branch


@dataclass(frozen=True)
class Case:
    name: str
    target: tuple[int, int]  # pixels: height, width
    references: tuple[tuple[int, int], ...]  # likewise
    text: int = 512


CASES = (
    Case("single, 512²", (512, 512), ((512, 512),)),
    Case("diptych, 1024×512", (512, 1024), ((512, 512), (512, 512))),
)


@dataclass(frozen=True)
class Estimate:
    tokens: int
    kept: float  # bytes between forward and backward, with checkpointing
    peak: float  # bytes of the largest block, made again in the backward pass
    forward: float  # floating-point operations
    step: float  # forward, forward again, backward


def network(name: str) -> nn.Module:
    """By the published configurations, without weights."""
    with torch.device("meta"):
        if name == "FLUX.1-dev":
            return FluxTransformer2DModel(guidance_embeds=True).to(torch.bfloat16)
        return FLUX2.kind(
            num_layers=5,
            num_single_layers=20,
            num_attention_heads=24,
            joint_attention_dim=7680,
            guidance_embeds=False,
        ).to(torch.bfloat16)


def estimate(model: Trained, case: Case) -> Estimate:
    height, width = (side // 16 for side in case.target)
    batch = _batch(model, case)
    noisy = torch.empty(1, height * width, model.family.width, device="meta", dtype=torch.bfloat16)
    time = torch.empty(1, device="meta")
    with torch.device("meta"):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(batch, noisy, time)
        forward = counter.get_total_flops()
        blocks = _BlockMeter(model)
        with blocks:
            model(batch, noisy, time)
    # a frozen layer's backward pass is one product (for its input), so as much as forward
    tokens = case.text + height * width + sum(h * w // 256 + WORDS for h, w in case.references)
    return Estimate(tokens, blocks.inputs, blocks.largest, forward, 3 * forward)


class _BlockMeter:
    """Bytes that autograd keeps inside each block, and the bytes that go into each."""

    def __init__(self, model: Trained) -> None:
        flux = model.flux
        self.blocks = [*flux.transformer_blocks, *flux.single_transformer_blocks]
        self.weights = {p.untyped_storage()._cdata for p in model.parameters()}
        self.inputs = self.largest = 0.0

    def __enter__(self) -> None:
        self.handles = [b.register_forward_pre_hook(self._begin, with_kwargs=True) for b in self.blocks]
        self.handles += [b.register_forward_hook(self._end) for b in self.blocks]
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda t: t)
        self.seen: dict[int, Tensor] = {}
        self.hooks.__enter__()

    def __exit__(self, *error) -> None:
        self.hooks.__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def _keep(self, t: Tensor) -> Tensor:
        storage = t.untyped_storage()._cdata
        if storage not in self.weights:
            self.seen[storage] = t  # held, so that no other tensor takes its place
        return t

    def _begin(self, block: nn.Module, args: tuple, kwargs: dict) -> None:
        self.seen = {}
        for name in ("hidden_states", "encoder_hidden_states"):
            t = kwargs.get(name)
            self.inputs += 0 if t is None else t.nbytes

    def _end(self, *_) -> None:
        self.largest = max(self.largest, float(sum(t.untyped_storage().nbytes() for t in self.seen.values())))


def _batch(model: Trained, case: Case) -> Batch:
    width, cells = model.flux.config.joint_attention_dim, model.family.width

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, device="meta", dtype=torch.bfloat16)

    height, columns = (side // 16 for side in case.target)
    conditions = tuple(
        Condition(empty(1, h * w // 256, cells), (h // 16, w // 16), empty(1, WORDS, width), ())
        for h, w in case.references
    )
    pooled = empty(1, model.flux.config.pooled_projection_dim if model.family.pooled else 0)
    text = empty(1, case.text, width)
    return Batch(empty(1, height * columns, cells), (height, columns), text, pooled, conditions, None)


def state_bytes(parameters: int) -> int:
    """Weights, gradients, average, AdamW's two moments: all float32."""
    return parameters * (4 + 4 + 4 + 8)


def frozen(model: Trained) -> int:
    """Parameters of the base."""
    return sum(p.numel() for p in model.flux.parameters() if not p.requires_grad)


def learned(model: Trained) -> int:
    return sum(p.numel() for p in model.lora.parameters())


def one_gpu(model: Trained, e: Estimate, quantise: str | None = None) -> float:
    """Bytes, with the base in bf16 where it is not quantised."""
    base = held(model.flux, quantise) + making(model.flux, quantise)
    return base + state_bytes(learned(model)) + e.kept + e.peak


def card_for(needed: float) -> str:
    """The smallest GPU that has this and RESERVE."""
    return next((f"{card} GB" for card in CARDS if needed + RESERVE <= card << 30), "none")


def report(name: str, tflops: float) -> list[str]:
    model = Trained(network(name), Variant(static=False, dynamic=False), WIRING)
    base, lora = frozen(model), learned(model)
    state = state_bytes(lora)
    encoders = 2 * sum(ENCODERS[name].values())
    lines = [
        f"{name}: {base / 1e9:.2f} thousand million parameters, {2 * base / GB:.1f} GB in bf16.",
        f"Dual LoRA of ranks 128 and 4: {lora / 1e6:.0f} million, {state / GB:.1f} GB with gradients, "
        "average and AdamW.",
        f"Text encoders and VAE: {encoders / GB:.1f} GB in bf16, none with encoder.ahead.",
        "",
        "One sample a GPU, gradient checkpointing, full attention (routing keeps less):",
        "",
        "| sample | tokens | kept, GB | largest block, GB | 1 GPU, GB | of 8 GPUs (FSDP), GB | TFLOP "
        f"a step | s at {tflops:g} TFLOPS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    counted = [estimate(model, case) for case in CASES]
    for case, e in zip(CASES, counted):
        block = 2 * base / len(_BlockMeter(model).blocks)  # gathered while it runs
        one = one_gpu(model, e)
        eight = one - 2 * base * 7 / 8 + 2 * block  # each GPU has the whole LoRA
        lines.append(
            f"| {case.name} | {e.tokens} | {e.kept / GB:.2f} | {e.peak / GB:.2f} | {one / GB:.1f} | "
            f"{eight / GB:.1f} | {e.step / 1e12:.0f} | {e.step / 1e12 / tflops:.2f} |"
        )
    return lines + ["", *quantised_rows(name, model, counted)]


def quantised_rows(name: str, model: Trained, counted: list[Estimate]) -> list[str]:
    """What `quantise` makes of one GPU, also with a smaller LoRA."""
    ranks = {"subject": SMALLER_RANK, "noise": 4}
    small = Trained(network(name), Variant(static=False, dynamic=False, ranks=ranks), WIRING)
    lines = [
        f"One GPU with `quantise`, and also with variant.ranks.subject={SMALLER_RANK}; a card must have "
        f"{RESERVE / GB:g} GB to spare:",
        "",
        f"| sample | quantise | base, GB | 1 GPU, GB | card | rank {SMALLER_RANK}, GB | card |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, e in zip(CASES, counted):
        e_small = estimate(small, case)
        for kind in (None, *KINDS):
            needs = [one_gpu(model, e, kind), one_gpu(small, e_small, kind)]
            fits = " | ".join(f"{n / GB:.1f} | {card_for(n)}" for n in needs)
            lines.append(f"| {case.name} | {kind or 'null'} | {held(model.flux, kind) / GB:.1f} | {fits} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflops", type=float, default=66, help="what your GPU reaches: 66 on an H100 here")
    args = parser.parse_args()
    print("\n\n".join("\n".join(report(name, args.tflops)) for name in ENCODERS))


if __name__ == "__main__":
    main()
