"""A shipped prompt with small stand-ins for its files: the graph stays what it is."""

from __future__ import annotations

import copy

from .tiny import DUAL, FLUX, LORA, TEXT, VAE
from .tiny_adapters import FLUX_ADAPTER, SDXL_ADAPTER


def with_small_models(prompt: dict, size: int = 256, steps: int = 8, reference_size: int = 128) -> dict:
    """The API prompt with the tiny models' file names, and sizes that a CPU does in seconds.

    FLUX.2's tiny models lie under the graphs' own names. The stock encoders and the stock SDXL cannot be
    made small: nodes of the demo's pack take their place.
    """
    prompt = copy.deepcopy(prompt)
    flux2 = any(node["class_type"] == "CLIPLoader" for node in prompt.values())
    for node in prompt.values():
        inputs = node["inputs"]
        match node["class_type"]:
            case "UNETLoader" if not flux2:
                inputs["unet_name"] = FLUX
            case "LoraLoaderModelOnly":
                inputs["lora_name"] = LORA
            case "MusarDualLora":
                both = inputs["noise_lora"] != "none"  # of a LoRA for all tokens
                inputs["subject_lora"] = LORA if both else DUAL
                inputs["noise_lora"] = LORA if both else "none"
            case "VAELoader" if not flux2:
                inputs["vae_name"] = VAE
            case "DualCLIPLoader":
                node["class_type"] = "MusarDemoTextEncoder"
                node["inputs"] = {"text_encoder": TEXT}
            case "CLIPLoader":
                node["class_type"] = "MusarDemoTextEncoder"
                node["inputs"] = {"text_encoder": inputs["clip_name"]}
            case "CLIPVisionLoader":
                node["class_type"] = "MusarDemoVisionEncoder"
                node["inputs"] = {"vision_encoder": inputs["clip_name"]}
            case "AnymsAdapterLoader":
                inputs["adapter"] = SDXL_ADAPTER if inputs["siglip"] == "none" else FLUX_ADAPTER
            case "CheckpointLoaderSimple":
                node["class_type"] = "MusarDemoSdxl"
                node["inputs"] = {"text_encoder": TEXT}
            case "EmptySD3LatentImage" | "EmptyLatentImage":
                inputs["width"] = inputs["height"] = size
            case "PrimitiveInt" if node["_meta"]["title"] in ("Width", "Height"):
                inputs["value"] = size
            case "KSampler" | "Flux2Scheduler":
                inputs["steps"] = steps
            case "CreateBoundingBoxes":
                shrink = size / inputs["width"]
                inputs["width"] = inputs["height"] = size
                for box in inputs["editor_state"]["__value__"]:
                    box |= {name: round(box[name] * shrink) for name in ("x", "y", "width", "height")}
            case "MusarConditioning":
                inputs["reference_size"] = reference_size
    return prompt
