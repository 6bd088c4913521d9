"""What FLUX.1 and FLUX.2 share: ComfyUI runs both by one class."""

from __future__ import annotations

from comfy.ldm.flux.model import Flux
from comfy.model_base import BaseModel

BLOCKS = {"double": "double_blocks", "single": "single_blocks"}
STREAMS = {
    r"double_blocks\.\d+\.txt_(attn\.(qkv|proj)|mlp\.\d)|txt_in": "text",
    r"double_blocks\.\d+\.img_(attn\.(qkv|proj)|mlp\.\d)|img_in|final_layer\.linear": "image",
    r"single_blocks\.\d+\.linear[12]": "joint",
}


def other_network(base: BaseModel, name: str, models: str) -> str | None:
    """A sentence where a loader runs the model by a network of its own."""
    if isinstance(base.diffusion_model, Flux):
        return None
    return (
        f"model is a {name} that its loader runs by a network of its own "
        f"({type(base.diffusion_model).__name__}), as Nunchaku does: ComfyUI's patches do not reach "
        f"into it. Load {models} with Load Diffusion Model or a GGUF loader."
    )
