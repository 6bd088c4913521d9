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
    vae: str = "ae.safetensors"
    encoder: str = ""  # FLUX.2's text encoder; FLUX.1 has CLIP-L and T5
    cfg: float = 1.0  # above 1 with a negative that carries the references
    cached: bool = False  # the model was trained for Flux KV Cache
    many: bool = False  # owners by attention


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
    "off; references lie on the `diagonal`, 320 pixels long (512 if there is one alone). With four or more "
    "subjects try `five_subjects_uno`, where the LoRA lies elsewhere.",
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
    "FLUX.1 Kontext reads references by itself. It was trained seeing everything, so `static` is off, and "
    "with one picture: preset *Kontext, one place* lays every reference where that one lay.",
    preset="Kontext, one place",
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
    "as `musar_dual_lora.safetensors`. With four or more subjects set `preset` to *MUSAR, four or more*.",
    preset="MUSAR",
    static=True,
    dual=True,
    words=True,
)
_TRAINED = (
    "It reads references by itself and was trained seeing everything, so `static` is off, and its references "
    "count by `index`. From four subjects on set `preset` to *FLUX.2, four or more*. Which files go where: "
    "docs/flux2.md."
)
KLEIN = Base(
    "klein",
    "flux-2-klein-4b-fp8.safetensors",
    None,
    "index",
    512,
    1.0,
    4,
    1024,
    f"FLUX.2 klein 4B, distilled: four steps without CFG. {_TRAINED}",
    preset="FLUX.2",
    vae="flux2-vae.safetensors",
    encoder="qwen_3_4b.safetensors",
)
KLEIN_BASE = replace(
    KLEIN,
    model="flux-2-klein-base-4b-fp8.safetensors",
    steps=20,
    cfg=5.0,
    note="FLUX.2 klein base 4B, with CFG: the negative is MUSAR Conditioning's own, which has the same "
    "references; what the picture should not be goes into its `negative_prompt` (*Show advanced*, with "
    f"Nodes 2.0). {_TRAINED}",
)
_MANY = (
    "It reads references by itself and was trained seeing everything, so `static` is off, and its references "
    "count by `index`. `preset` is *FLUX.2, four or more*; with up to three subjects set it to *FLUX.2*. "
    "Which files go where: docs/flux2.md."
)
KLEIN_MANY = replace(
    KLEIN,
    preset="FLUX.2, four or more",
    many=True,
    note=f"FLUX.2 klein 4B, distilled: four steps without CFG. {_MANY}",
)
KLEIN_CACHED = replace(
    KLEIN_MANY,
    model="flux-2-klein-9b-kv-fp8.safetensors",
    encoder="qwen_3_8b_fp8mixed.safetensors",
    cached=True,
    note="FLUX.2 klein 9B KV with core's *Flux KV Cache*: references are computed in the first step, and "
    f"later steps have their keys and values. On a small model that was not trained so, it cost more than "
    f"routing gave: compare with `five_subjects_klein`. {_MANY}",
)
FLUX2_DEV = replace(
    KLEIN,
    name="flux2_dev",
    model="flux2_dev_fp8mixed.safetensors",
    encoder="mistral_3_small_flux2_fp8.safetensors",
    guidance=4.0,
    steps=20,
    note="FLUX.2 dev. Where *Load CLIP* fails at its text encoder (`MistralConverter`), ComfyUI's Python has "
    f"transformers of 5.15 or newer: docs/flux2.md says what to do. {_TRAINED}",
)
