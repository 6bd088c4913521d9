"""`make anyms-sdxl`: AnyMS Layout on an SDXL of full size, with random weights, into docs/anyms.md.

What is seen is that it fits and what it costs; pictures of random weights say nothing.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.comfy_server import ROOT
from tools.report import write_section
from tools.tiny_adapters import TRUE, adapter_weights

from .in_host import LAYERS, TRUE_DEPTH, laid_out, open_host, peak, prompt, timed, vision

PAGE = ROOT / "docs" / "anyms.md"
KIND = "SDXL IP-Adapter"
WORDS, POOLED, WIDTH = 2048, 1280, 640  # of SDXL: prompts, and its narrower layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=32, help="of the latent, each way")
    args = parser.parse_args()
    call = open_host()
    from sprites.comfy_pack.narrow_sdxl import narrow_sdxl

    model = narrow_sdxl(WORDS, POOLED, torch.bfloat16, model_channels=320, num_head_channels=64, **TRUE_DEPTH)
    size = sum(p.numel() for p in model.model.diffusion_model.parameters())
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "adapter.safetensors"
        state = adapter_weights(KIND, [WIDTH * width for width in LAYERS], TRUE[KIND])
        save_file({name: value.to(torch.bfloat16) for name, value in state.items()}, file)
        del state
        import folder_paths

        folder_paths.add_model_folder_path("ipadapter", folder, is_default=True)
        (adapter,) = call("AnymsAdapterLoader", adapter=file.name)
    encoder, side = vision(TRUE[KIND]["sees"]), 8 * args.cells

    def step(on: object) -> Tensor:
        latent = {"samples": torch.zeros(1, 4, args.cells, args.cells)}
        positive, negative = prompt(WORDS, POOLED, 1), prompt(WORDS, POOLED, 2)
        sampler = {"seed": 3, "steps": 1, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
        return call(
            "KSampler",
            model=on,
            positive=positive,
            negative=negative,
            latent_image=latent,
            denoise=1.0,
            **sampler,
        )[0]["samples"]

    plain, alone = timed(lambda: step(model))
    placed, with_boxes = timed(lambda: step(laid_out(call, model, adapter, encoder, side)))
    again, second = timed(lambda: step(laid_out(call, model, adapter, encoder, side, "sum")))
    threads = torch.get_num_threads()
    lines = [
        f"ComfyUI's own network at full size, {size / 1e9:.2f} billion parameters in bfloat16, and an "
        f"adapter of IP-Adapter's true shapes ({len(LAYERS)} layers), both with random weights: one step of "
        f"the stock KSampler with CFG on a latent of {args.cells} × {args.cells}, two subjects in boxes, on "
        f"a CPU ({platform.machine()}, {threads} thread{'s' * (threads > 1)}).",
        "",
        "| | processor seconds of a step |",
        "|---|---|",
        f"| without a layout | {alone:.1f} |",
        f"| AnyMS Layout, the node's own work included | {with_boxes:.1f} |",
        f"| the same with summed masks | {second:.1f} |",
        "",
        f"The process had {peak():.1f} GB at most, and {before:.1f} GB before the adapter was read. In boxes "
        "that do not overlap, crop-and-merge and summed masks give the same (largest difference "
        f"{apart(placed, again):.1g}); without a layout the result is another (largest difference "
        f"{apart(placed, plain):.1g}).",
    ]
    write_section(PAGE, "SDXL at full size", "make anyms-sdxl", lines)
    print("\n".join(lines))


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


if __name__ == "__main__":
    main()
