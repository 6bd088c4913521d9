"""A narrow SDXL of the host's own class, and narrow vision encoders of the host's own class."""

from __future__ import annotations

import json

import torch

WIDTH = 32  # of the prompt's embeddings
CONFIG = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [2, 2, 2],
    "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "transformer_depth_middle": 2,
    "channel_mult": [1, 2, 4],
    "use_linear_in_transformer": True,
    "use_spatial_transformer": True,
    "context_dim": WIDTH,
    "adm_in_channels": 2816,
    "num_classes": "sequential",
    "num_head_channels": 16,
    "legacy": False,
    "use_temporal_attention": False,
}
LAYERS = [64] * 2 + [128] * 4 + [128] * 6 + [64] * 3 + [128] * 2  # down, up, middle


def sdxl(seed: int = 0):
    """As the stock loader makes it, but for the detection of its size, which knows the full one alone."""
    import comfy.model_base
    import comfy.model_management
    import comfy.model_patcher
    import comfy.supported_models

    from tools.tiny import randomise

    config = comfy.supported_models.SDXL({**CONFIG, "dtype": torch.float32})
    model = comfy.model_base.SDXL(config, device=torch.device("cpu"))
    network = model.diffusion_model
    network.load_state_dict(randomise(network, seed))
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    load = comfy.model_management.get_torch_device()
    return patcher(model, load, torch.device("cpu"))


def prompt(seed: int = 1) -> list:
    g = torch.Generator().manual_seed(seed)
    pooled = torch.randn(1, 1280, generator=g)
    return [[torch.randn(1, 77, WIDTH, generator=g), {"pooled_output": pooled}]]


def vision(folder, kind: str = "clip_vision_model", width: int = 64, projected: int | None = 48):
    """Three layers on pictures of 32 pixels in patches of 8."""
    import comfy.clip_vision

    from tools.tiny import randomise

    mean = {"clip_vision_model": [0.48, 0.46, 0.41], "siglip_vision_model": [0.5, 0.5, 0.5]}[kind]
    config = {
        "num_channels": 3,
        "hidden_act": "gelu",
        "hidden_size": width,
        "image_size": 32,
        "intermediate_size": 96,
        "model_type": kind,
        "num_attention_heads": 2,
        "num_hidden_layers": 3,
        "patch_size": 8,
        "image_mean": mean,
        "image_std": [0.27, 0.26, 0.28],
    }
    if projected:
        config["projection_dim"] = projected
    path = folder / f"{kind}-{width}-{projected}.json"
    path.write_text(json.dumps(config))
    encoder = comfy.clip_vision.ClipVisionModel(str(path))
    encoder.load_sd(randomise(encoder.model, 5))
    return encoder
