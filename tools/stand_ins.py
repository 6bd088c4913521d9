"""A shipped prompt with small stand-ins for its files: the graph stays what it is."""

from __future__ import annotations

import copy

from .tiny import DUAL, FLUX, LORA, TEXT, VAE


def with_small_models(prompt: dict, size: int = 256, steps: int = 8, reference_size: int = 128) -> dict:
    """The API prompt with the tiny models' file names, and sizes that a CPU does in seconds.

    The stock FLUX text encoder cannot be made small: a node of the demo's pack takes its place.
    """
    prompt = copy.deepcopy(prompt)
    for node in prompt.values():
        inputs = node["inputs"]
        match node["class_type"]:
            case "UNETLoader":
                inputs["unet_name"] = FLUX
            case "LoraLoaderModelOnly":
                inputs["lora_name"] = LORA
            case "MusarDualLora":
                both = inputs["noise_lora"] != "none"  # of a LoRA for all tokens
                inputs["subject_lora"] = LORA if both else DUAL
                inputs["noise_lora"] = LORA if both else "none"
            case "VAELoader":
                inputs["vae_name"] = VAE
            case "DualCLIPLoader":
                node["class_type"] = "MusarDemoTextEncoder"
                node["inputs"] = {"text_encoder": TEXT}
            case "EmptySD3LatentImage":
                inputs["width"] = inputs["height"] = size
            case "CreateBoundingBoxes":
                shrink = size / inputs["width"]
                inputs["width"] = inputs["height"] = size
                for box in inputs["editor_state"]["__value__"]:
                    box |= {name: round(box[name] * shrink) for name in ("x", "y", "width", "height")}
            case "KSampler":
                inputs["steps"] = steps
            case "MusarConditioning":
                inputs["reference_size"] = reference_size
    return prompt
