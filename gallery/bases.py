"""The weights that shipped graphs are for, and how each wants to be used."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Base:
    """Weights that read references, and how they want to be used."""

    name: str
    model: str
    lora: str | None
    positions: str
    reference_size: int
    guidance: float
    steps: int
    side: int
    note: str
    preset: str = ""  # of MUSAR Conditioning
    static: bool = False
    dual: bool = False  # the LoRA goes into MUSAR Dual LoRA
    noise: str = "none"  # file of the noise branch there
    words: bool = False  # subjects have condition prompts


UNO = Base(
    "uno",
    "flux1-dev.safetensors",
    "uno_dit_lora.safetensors",
    "diagonal",
    320,
    4.0,
    25,
    704,
    "UNO's LoRA teaches FLUX.1-dev to read references. It was trained seeing everything, so `static` is "
    "off; references lie on the `diagonal`, 320 pixels long (512 if there is one alone).",
    preset="UNO",
)
UNO_MANY = replace(
    UNO,
    note="UNO's LoRA as both branches of *MUSAR Dual LoRA*, with `static` on: the prompt's tokens see "
    "nothing of it.",
    preset="UNO, four or more",
    static=True,
    dual=True,
    noise=UNO.lora,
)
KONTEXT = Base(
    "kontext",
    "flux1-dev-kontext_fp8_scaled.safetensors",
    None,
    "index",
    512,
    2.5,
    20,
    1024,
    "FLUX.1 Kontext reads references by itself. It was trained seeing everything, so `static` is off, "
    "and its references count by `index`.",
    preset="Kontext",
)
MUSAR = Base(
    "musar",
    "flux1-dev.safetensors",
    "musar_dual_lora.safetensors",
    "diagonal",
    512,
    3.5,
    25,
    768,
    "The paper's own way: a dual LoRA, `static` on, and each subject's condition prompt in its `prompt`. "
    "Nobody has published such a LoRA for FLUX: train one (docs/training.md) and put it into `models/loras` "
    "as `musar_dual_lora.safetensors`.",
    preset="MUSAR",
    static=True,
    dual=True,
    words=True,
)
