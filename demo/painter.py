"""The host's own loaders, sampler and VAE in this process, on the models of Sprites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT

FLUX, VAE, TEXT = "sprites_flux.safetensors", "sprites_vae.safetensors", "sprites_text.safetensors"
LORA, UNO = "sprites_dual_lora.safetensors", "sprites_uno.safetensors"
MODELS = Path(__file__).with_name("models")
FILES = {  # in ComfyUI's models folder
    f"diffusion_models/{FLUX}": MODELS / FLUX,
    f"vae/{VAE}": MODELS / VAE,
    f"text_encoders/{TEXT}": MODELS / TEXT,
    f"loras/{LORA}": ROOT / "studies" / "ablation" / "results" / "full.safetensors",
    f"loras/{UNO}": ROOT / "studies" / "training_free" / "results" / "leaking_uno.safetensors",
}
STEPS, CFG = 20, 2.0


class Painter:
    """Words to pictures, H × W × 3 of 0…255, the way a stock graph does it."""

    def __init__(self, models: Path = MODELS) -> None:
        use_comfy()
        torch.set_grad_enabled(False)
        import comfy.utils
        import folder_paths

        import nodes
        from sprites.comfy_pack.text_encoder import load_clip

        for kind in ("diffusion_models", "vae"):
            folder_paths.add_model_folder_path(kind, str(models), is_default=True)
        self.nodes = nodes
        self.vae = nodes.VAELoader().load_vae(VAE)[0]
        self.clip = load_clip(comfy.utils.load_torch_file(str(models / TEXT), safe_load=True))
        self._flux = None

    @property
    def flux(self) -> object:
        if self._flux is None:
            self._flux = self.nodes.UNETLoader().load_unet(FLUX, "default")[0]
        return self._flux

    def words(self, prompt: str) -> list:
        return self.nodes.CLIPTextEncode().encode(self.clip, prompt)[0]

    def draw(
        self, prompt: str, rows: int, columns: int, seed: int, count: int = 1, steps: int = STEPS
    ) -> np.ndarray:
        """`count` pictures of rows × columns cells, from words alone."""
        latent = {"samples": torch.zeros(count, 16, rows, columns)}
        positive, negative = self.words(prompt), self.words("")
        sampled = self.nodes.common_ksampler(
            self.flux, seed, steps, CFG, "euler", "simple", positive, negative, latent
        )[0]
        return as_bytes(self.nodes.VAEDecode().decode(self.vae, sampled)[0])

    def round_trip(self, picture: np.ndarray) -> np.ndarray:
        """Through the VAE and back."""
        image = torch.from_numpy(picture).float()[None] / 255
        return as_bytes(self.vae.decode(self.vae.encode(image)))[0]


def as_bytes(images: Tensor) -> np.ndarray:
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
