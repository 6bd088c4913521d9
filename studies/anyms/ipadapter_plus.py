"""`make anyms-ipadapter PACK=…`: the same pictures by ComfyUI_IPAdapter_plus, from your own copy of it.

It knows SDXL by its true depth, 70 layers, and prompts 2,048 wide; so SDXL is of that depth and width, and
narrow elsewhere. Weights are random: attention, time and memory are compared, not looks.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tools.comfy_server import ROOT
from tools.report import write_section
from tools.tiny_adapters import adapter_weights

from .in_host import BOXES, LAYERS, TRUE_DEPTH, Call, laid_out, open_host, prompt, references, timed, vision

PAGE = ROOT / "docs" / "anyms.md"
KIND, WORDS, POOLED = "SDXL IP-Adapter", 2048, 1280
SIZES = {"width": WORDS, "sees": 48, "tokens": 4}
CELLS = 32  # of the latent, each way: 256 pixels
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path, help="folder of ComfyUI_IPAdapter_plus")
    args = parser.parse_args()
    call = open_host(args.pack.resolve())
    from sprites.comfy_pack.narrow_sdxl import narrow_sdxl

    model = narrow_sdxl(WORDS, POOLED, model_channels=32, **TRUE_DEPTH)
    encoder = vision(SIZES["sees"])
    state = adapter_weights(KIND, [64 * width for width in LAYERS], SIZES)
    with tempfile.TemporaryDirectory() as folder:
        save_file(state, Path(folder) / "adapter.safetensors")
        import folder_paths

        folder_paths.add_model_folder_path("ipadapter", folder, is_default=True)
        (adapter,) = call("AnymsAdapterLoader", adapter="adapter.safetensors")
        theirs = nested(load_file(Path(folder) / "adapter.safetensors"))

    ways: dict[str, Callable[[], Any]] = {
        "neither": lambda: model,
        "MUSAR AnyMS Layout, crop": lambda: laid_out(call, model, adapter, encoder, 8 * CELLS),
        "MUSAR AnyMS Layout, sum": lambda: laid_out(call, model, adapter, encoder, 8 * CELLS, "sum"),
        "IPAdapter_plus, masks": lambda: masked(call, model, theirs, encoder),
        "the same, its middle layers found": lambda: found(masked(call, model, theirs, encoder)),
    }
    made = {name: make() for name, make in ways.items()}
    drawn: dict[str, Tensor] = {}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, on in made.items():
            drawn[name], seconds = timed(lambda on=on: sampled(call, on))
            times[name].append(seconds)
    base = statistics.median(times["neither"][1:])
    lines = [
        "Two subjects in boxes that do not overlap, on the same random weights: SDXL at its true depth "
        f"({len(LAYERS)} layers, prompts {WORDS} wide), narrow elsewhere; {8 * CELLS} pixels, CFG, batch 1, "
        f"float32, {torch.get_num_threads()} thread of a CPU. Ways take turns; medians of {ROUNDS} steps, in "
        "processor time. Memory is what the ways hold beside model and adapter file. ComfyUI_IPAdapter_plus "
        "is not part of this repository: the command takes your copy.",
        "",
        "| way | a step, against neither | held | largest difference from AnyMS Layout, sum |",
        "|---|---|---|---|",
    ]
    reference = drawn["MUSAR AnyMS Layout, sum"]
    for name in ways:
        ratio = statistics.median(times[name][1:]) / base
        apart = float((drawn[name] - reference).abs().max())
        lines.append(f"| {name} | {ratio:.2f} | {held(made[name], model):.1f} MB | {apart:.2g} |")
    spread = float(reference.std())
    lines += [
        "",
        f"The latents have a standard deviation of {spread:.2g}. ComfyUI asks for the middle block's layers "
        "as (middle, 0, n); this copy of IPAdapter_plus leaves its patches at (middle, 1, n), where they are "
        "not asked for, so that it does nothing in these layers. The last row has them moved by the study, "
        "and nothing else changed.",
    ]
    write_section(PAGE, "Beside IPAdapter_plus", "make anyms-ipadapter PACK=…", lines)
    print("\n".join(lines))


def nested(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """As that pack's loader has it."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        part, rest = name.split(".", 1)
        parts.setdefault(part, {})[rest] = value
    return parts


def masked(call: Call, model: Any, adapter: dict, encoder: Any) -> Any:
    """One node after another, each with a mask."""
    for (x, y, width, height), image in zip(BOXES, references()):
        mask, side = torch.zeros(1, 8 * CELLS, 8 * CELLS), 8 * CELLS
        mask[:, int(y * side) : int((y + height) * side), int(x * side) : int((x + width) * side)] = 1
        model = call(
            "IPAdapterAdvanced",
            model=model,
            ipadapter=adapter,
            clip_vision=encoder,
            image=image,
            attn_mask=mask,
            embeds_scaling="V only",
        )[0]
    return model


def found(model: Any) -> Any:
    """With the patches of the middle block where ComfyUI looks for them."""
    there = model.model_options["transformer_options"]["patches_replace"]["attn2"]
    for place in [place for place in there if place[:2] == ("middle", 1)]:
        there["middle", 0, place[2]] = there.pop(place)
    return model


def sampled(call: Call, model: Any) -> Tensor:
    positive, negative = prompt(WORDS, POOLED, 1), prompt(WORDS, POOLED, 2)
    sampler = {"seed": 3, "steps": 1, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
    latent = {"samples": torch.zeros(1, 4, CELLS, CELLS)}
    wired = {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
    return call("KSampler", **wired, **sampler, denoise=1.0)[0]["samples"]


def held(patched: Any, model: Any) -> float:
    """MB of tensors that its patches hold."""
    seen: dict[int, int] = {}
    network = {t.untyped_storage().data_ptr() for t in model.model.parameters()}

    def walk(thing: Any, depth: int = 0) -> None:
        if isinstance(thing, Tensor):
            storage = thing.untyped_storage()
            if storage.data_ptr() not in network:
                seen[storage.data_ptr()] = storage.nbytes()
        elif isinstance(thing, torch.nn.Module):
            for tensor in [*thing.parameters(), *thing.buffers()]:
                walk(tensor)
        elif isinstance(thing, dict):
            for value in thing.values():
                walk(value, depth + 1)
        elif isinstance(thing, (list, tuple)):
            for value in thing:
                walk(value, depth + 1)
        elif hasattr(thing, "__dict__") and depth < 12 and not callable(getattr(thing, "load", None)):
            walk(vars(thing), depth + 1)

    walk(patched.model_options)
    return sum(seen.values()) / 1e6


if __name__ == "__main__":
    main()
