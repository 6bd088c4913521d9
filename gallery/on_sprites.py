"""The shipped graphs on the models of Sprites: what has to be swapped, all of it here.

Files lie under the names that the graphs ask for. The encoders' loaders are others, since the stock ones
load nothing small, and FLUX.2's small VAE goes by a name of ComfyUI's; sizes and steps are Sprites'; and as
it knows no guidance, CFG with an empty negative takes its place. Our nodes, their settings, the prompts and
the wiring stay as they are shipped.
"""

from __future__ import annotations

import copy
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from demo.painter import CFG, FLUX, MODELS, STEPS, TEXT, VAE
from demo.references import write_references
from demo.run import link_models
from sprites.world.palette import CELL
from sprites.world.scene import columns_for
from tools.comfy_server import ROOT

from .anyms import FLUX as ADAPTED
from .anyms import SDXL
from .graph import SIDES
from .on_tiny import is_flux2

STUDIES = ROOT / "studies"
TRAINED = STUDIES / "training_free" / "results"
FILES = {  # as the graphs name them
    "diffusion_models/flux1-dev.safetensors": MODELS / FLUX,
    "vae/ae.safetensors": MODELS / VAE,
    "text_encoders/clip_l.safetensors": MODELS / TEXT,
    "text_encoders/t5xxl_fp16.safetensors": MODELS / TEXT,
    "loras/uno_dit_lora.safetensors": TRAINED / "uno.safetensors",
    "loras/wide_uno.safetensors": TRAINED / "wide_uno.safetensors",
    "loras/musar_dual_lora.safetensors": STUDIES / "ablation" / "results" / "full.safetensors",
    f"ipadapter/{ADAPTED.adapter}": MODELS / "anyms" / "sprites_adapter.safetensors",
    f"clip_vision/{ADAPTED.vision}": MODELS / "anyms" / "sprites_vision.safetensors",
    f"clip_vision/{SDXL.vision}": MODELS / "anyms" / "sprites_vision.safetensors",
}
FLUX2, FLUX2_TEXT, TAEF2 = "sprites_flux2.safetensors", "sprites_flux2_text.safetensors", "taef2"
FILES |= {
    f"diffusion_models/{FLUX2}": MODELS / "flux2" / FLUX2,
    f"text_encoders/{FLUX2_TEXT}": MODELS / "flux2" / FLUX2_TEXT,
    f"vae_approx/{TAEF2}_encoder.safetensors": MODELS / "flux2" / f"{TAEF2}_encoder.safetensors",
    f"vae_approx/{TAEF2}_decoder.safetensors": MODELS / "flux2" / f"{TAEF2}_decoder.safetensors",
}
KONTEXT = "diffusion_models/flux1-dev-kontext_fp8_scaled.safetensors"
REFERENCE = 64  # pixels
ACROSS, HIGH = {n: CELL * columns_for(max(n, 2)) for n in range(1, 7)}, 128  # with so many subjects


def with_sprites(base: Path) -> Path:
    """The models and references of Sprites in a server's folder, by the graphs' names and by the demo's."""
    models = base / "models"
    link_models(models)
    link_models(models, FILES)
    save_file(merged(load_file(MODELS / FLUX), load_file(TRAINED / "kontext.safetensors")), models / KONTEXT)
    write_references(base / "input")
    return base


def merged(weights: dict[str, Tensor], lora: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with a LoRA for all tokens in them, as Kontext's are a model of its own."""
    out = dict(weights)
    for name, down in lora.items():
        if name.endswith(".lora_A.weight"):
            layer = name.removeprefix("transformer.").replace("lora_A.", "")
            up = lora[name.replace("lora_A", "lora_B")]
            out[layer] = (weights[layer].float() + up.float() @ down.float()).to(weights[layer].dtype)
    return out


def as_sprites(prompt: dict) -> dict:
    """The same graph with what has to be swapped; `try_sprites` has it all already."""
    prompt = copy.deepcopy(prompt)
    if any(node["class_type"] == "MusarDemoTextEncoder" for node in prompt.values()):
        return prompt
    count = sum(n["class_type"] == "MusarSubject" for n in prompt.values())
    flux2 = is_flux2(prompt)
    (encoder,) = (i for i, n in prompt.items() if n["class_type"] in ("DualCLIPLoader", "CLIPLoader"))
    for node in prompt.values():
        inputs = node["inputs"]
        match node["class_type"]:
            case "UNETLoader" if flux2:
                inputs["unet_name"] = FLUX2
            case "VAELoader" if flux2:
                inputs["vae_name"] = TAEF2
            case "DualCLIPLoader" | "CLIPLoader":
                name = FLUX2_TEXT if flux2 else inputs["clip_name2"]
                node |= {"class_type": "MusarDemoTextEncoder", "inputs": {"text_encoder": name}}
                node["_meta"] = {"title": "Text encoder of Sprites"}
            case "CLIPVisionLoader":
                node |= {"class_type": "MusarDemoVisionEncoder"}
                node["inputs"] = {"vision_encoder": inputs["clip_name"]}
                node["_meta"] = {"title": "Vision encoder of Sprites"}
            case "MusarConditioning" | "AnymsLayout":
                if "reference_size" in inputs:
                    inputs["reference_size"] = REFERENCE
                if "boxes" in inputs:
                    canvas = prompt[inputs["boxes"][0]]["inputs"]
                    inputs |= {"canvas_width": canvas["width"], "canvas_height": canvas["height"]}
            case "MusarDualLora" if count > 3:  # a UNO that has seen pictures so wide
                inputs |= {name: "wide_uno.safetensors" for name in ("subject_lora", "noise_lora")}
            case "EmptySD3LatentImage":
                inputs |= {"width": ACROSS[count], "height": HIGH}
            case "PrimitiveInt" if (title := node["_meta"]["title"]) in SIDES.values():
                inputs["value"] = ACROSS[count] if title == SIDES["width"] else HIGH
            case "KSampler":
                inputs |= {"steps": STEPS, "cfg": CFG}
            case "CFGGuider":
                inputs["cfg"] = CFG
            case "Flux2Scheduler":
                inputs["steps"] = STEPS
            case "ConditioningZeroOut":
                node |= {"class_type": "CLIPTextEncode", "inputs": {"clip": [encoder, 0], "text": ""}}
    return prompt
