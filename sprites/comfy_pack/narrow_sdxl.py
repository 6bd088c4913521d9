"""SDXL's own network, narrow and with random weights: graphs for SDXL run on it, and draw noise.

The stock loader knows the full size alone.
"""

from __future__ import annotations

from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import torch
from comfy.taesd.taesd import TAESD
from torch import nn

SIZES = 6 * 256  # of what SDXL is told of sizes and crops, behind the pooled prompt
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
    "num_classes": "sequential",
    "num_head_channels": 16,
    "legacy": False,
    "use_temporal_attention": False,
}


def narrow_sdxl(
    words: int, pooled: int, dtype: torch.dtype = torch.float32, **changes: Any
) -> comfy.model_patcher.ModelPatcher:
    """For prompts whose tokens are `words` wide, and `pooled` numbers of the whole. `changes`: of CONFIG."""
    widths = {"context_dim": words, "adm_in_channels": pooled + SIZES, "dtype": dtype}
    config = comfy.supported_models.SDXL(CONFIG | changes | widths)
    model = comfy.model_base.SDXL(config, device=torch.device("cpu"))
    randomise(model.diffusion_model)
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return patcher(model, comfy.model_management.get_torch_device(), torch.device("cpu"))


def narrow_vae() -> comfy.sd.VAE:
    """TAESD's shape, of SDXL's four channels."""
    net = TAESD(latent_channels=comfy.latent_formats.SDXL.latent_channels)
    randomise(net)
    return comfy.sd.VAE(sd=net.state_dict())


def randomise(net: nn.Module) -> None:
    """Weights that keep activations about their size."""
    g = torch.Generator().manual_seed(0)
    for name, parameter in net.requires_grad_(False).named_parameters():
        if parameter.ndim >= 2:
            parameter.copy_(torch.randn(parameter.shape, generator=g) * parameter[0].numel() ** -0.5)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
