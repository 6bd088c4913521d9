"""The files that shipped graphs ask for, in one list: what loaders carry, and what the tables of docs say.

Every address was read where its publisher or ComfyUI's own templates state it; none is fetched here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from demo.painter import FLUX, LORA, TEXT, VAE

FLUX1, FLUX2, ADAPTERS = "flux1", "flux2", "adapters"  # tables of docs
NO_TABLE = ""
DEV, NON_COMMERCIAL = "FLUX.1 [dev] Non-Commercial", "FLUX Non-Commercial"
AS_MODEL = "as the model"


@dataclass(frozen=True)
class File:
    """One file below ComfyUI's `models`."""

    title: str  # what it is, in a few words
    name: str  # as the graphs ask for it
    folder: str
    url: str  # or empty
    licence: str
    table: str
    gated: bool = False  # its publisher lets in who accepts the licence
    sha256: str = ""  # where the publisher states it
    unpublished: str = "nobody has published one"  # why it has no address

    @property
    def published(self) -> str:
        """Its name there."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def repository(self) -> str:
        return "/".join(self.url.split("/")[3:5])

    @property
    def model(self) -> dict[str, str]:
        """As a loader's `properties.models` has it: the frontend says where to get what is missing."""
        stated = {"hash": self.sha256, "hash_type": "SHA256"} if self.sha256 else {}
        return {"name": self.name, "url": self.url, "directory": self.folder} | stated


HUB = "https://huggingface.co"
_TEXT = f"{HUB}/comfyanonymous/flux_text_encoders/resolve/main"
_DEV2 = f"{HUB}/Comfy-Org/flux2-dev/resolve/main/split_files"
_ADAPTER = f"{HUB}/h94/IP-Adapter/resolve/main"


def _small(title: str, name: str, folder: str) -> File:
    return File(title, name, folder, "", "as this repository", NO_TABLE, unpublished="of this repository")


EVERY = (
    File(
        "FLUX.1-dev",
        "flux1-dev.safetensors",
        "diffusion_models",
        f"{HUB}/Comfy-Org/flux1-dev/resolve/main/flux1-dev.safetensors",
        DEV,
        FLUX1,
    ),
    File(
        "CLIP-L",
        "clip_l.safetensors",
        "text_encoders",
        f"{_TEXT}/clip_l.safetensors",
        "Apache-2.0",
        FLUX1,
    ),
    File(
        "T5-XXL",
        "t5xxl_fp16.safetensors",
        "text_encoders",
        f"{_TEXT}/t5xxl_fp16.safetensors",
        "Apache-2.0",
        FLUX1,
    ),
    File(
        "FLUX.1's VAE",
        "ae.safetensors",
        "vae",
        f"{HUB}/Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae/ae.safetensors",
        "as FLUX.1-dev",
        FLUX1,
    ),
    File(
        "UNO's LoRA",
        "uno_dit_lora.safetensors",
        "loras",
        f"{HUB}/bytedance-research/UNO/resolve/main/dit_lora.safetensors",
        "CC BY-NC 4.0 by its README, tagged CC BY-NC-ND 4.0; FLUX.1-dev's terms apply too",
        FLUX1,
    ),
    File(
        "FLUX.1 Kontext",
        "flux1-dev-kontext_fp8_scaled.safetensors",
        "diffusion_models",
        f"{HUB}/Comfy-Org/flux1-kontext-dev_ComfyUI/resolve/main/split_files/diffusion_models/"
        "flux1-dev-kontext_fp8_scaled.safetensors",
        DEV,
        FLUX1,
    ),
    File("a MUSAR dual LoRA", "musar_dual_lora.safetensors", "loras", "", "", FLUX1),
    File(
        "FLUX.2 klein 4B",
        "flux-2-klein-4b-fp8.safetensors",
        "diffusion_models",
        f"{HUB}/black-forest-labs/FLUX.2-klein-4b-fp8/resolve/main/flux-2-klein-4b-fp8.safetensors",
        "Apache-2.0",
        FLUX2,
        sha256="97ed34fe0567e436200f2faee3939b88f2b5d99f8af2a4dc16532c4245c0ccb6",
    ),
    File(
        "FLUX.2 klein base 4B",
        "flux-2-klein-base-4b-fp8.safetensors",
        "diffusion_models",
        f"{HUB}/black-forest-labs/FLUX.2-klein-base-4b-fp8/resolve/main/flux-2-klein-base-4b-fp8.safetensors",
        "Apache-2.0",
        FLUX2,
    ),
    File(
        "FLUX.2 klein 9B",
        "flux-2-klein-9b-fp8.safetensors",
        "diffusion_models",
        f"{HUB}/black-forest-labs/FLUX.2-klein-9b-fp8/resolve/main/flux-2-klein-9b-fp8.safetensors",
        NON_COMMERCIAL,
        FLUX2,
        gated=True,
    ),
    File(
        "FLUX.2 klein 9B KV",
        "flux-2-klein-9b-kv-fp8.safetensors",
        "diffusion_models",
        f"{HUB}/black-forest-labs/FLUX.2-klein-9b-kv-fp8/resolve/main/flux-2-klein-9b-kv-fp8.safetensors",
        NON_COMMERCIAL,
        FLUX2,
        gated=True,
    ),
    File(
        "FLUX.2 dev",
        "flux2_dev_fp8mixed.safetensors",
        "diffusion_models",
        f"{_DEV2}/diffusion_models/flux2_dev_fp8mixed.safetensors",
        NON_COMMERCIAL,
        FLUX2,
    ),
    File(
        "text encoder of klein 4B",
        "qwen_3_4b.safetensors",
        "text_encoders",
        f"{HUB}/Comfy-Org/flux2-klein/resolve/main/split_files/text_encoders/qwen_3_4b.safetensors",
        AS_MODEL,
        FLUX2,
    ),
    File(
        "text encoder of klein 9B",
        "qwen_3_8b_fp8mixed.safetensors",
        "text_encoders",
        f"{HUB}/Comfy-Org/flux2-klein-9B/resolve/main/split_files/text_encoders/qwen_3_8b_fp8mixed.safetensors",
        AS_MODEL,
        FLUX2,
    ),
    File(
        "text encoder of dev",
        "mistral_3_small_flux2_fp8.safetensors",
        "text_encoders",
        f"{_DEV2}/text_encoders/mistral_3_small_flux2_fp8.safetensors",
        AS_MODEL,
        FLUX2,
    ),
    File(
        "FLUX.2's VAE",
        "flux2-vae.safetensors",
        "vae",
        f"{_DEV2}/vae/flux2-vae.safetensors",
        AS_MODEL,
        FLUX2,
    ),
    File(
        "SDXL",
        "sd_xl_base_1.0.safetensors",
        "checkpoints",
        f"{HUB}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
        "CreativeML Open RAIL++-M",
        ADAPTERS,
    ),
    File(
        "IP-Adapter plus",
        "ip-adapter-plus_sdxl_vit-h.safetensors",
        "ipadapter",
        f"{_ADAPTER}/sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors",
        "Apache-2.0",
        ADAPTERS,
    ),
    File(
        "CLIP ViT-H",
        "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors",
        "clip_vision",
        f"{_ADAPTER}/models/image_encoder/model.safetensors",
        "Apache-2.0",
        ADAPTERS,
    ),
    File(
        "InstantX's adapter",
        "instantx_flux_ip_adapter.safetensors",
        "ipadapter",
        "",
        DEV,
        ADAPTERS,
        unpublished="published as a pickle: [docs/anyms.md](anyms.md)",
    ),
    File(
        "SigLIP",
        "sigclip_vision_patch14_384.safetensors",
        "clip_vision",
        f"{HUB}/Comfy-Org/sigclip_vision_384/resolve/main/sigclip_vision_patch14_384.safetensors",
        "Apache-2.0, as Google's SigLIP",
        ADAPTERS,
    ),
    _small("Sprites", FLUX, "diffusion_models"),
    _small("Sprites' VAE", VAE, "vae"),
    _small("Sprites' text encoder", TEXT, "text_encoders"),
    _small("a dual LoRA of Sprites", LORA, "loras"),
)
BY_NAME = {file.name: file for file in EVERY}


def files_of(prompt: dict[str, dict]) -> list[File]:
    """What the nodes of a prompt name, in their order, each once."""
    return list(dict.fromkeys(file for node in prompt.values() for file in named(node["inputs"].values())))


def named(values: Iterable[object]) -> list[File]:
    """The files among a node's values."""
    return [BY_NAME[value] for value in values if isinstance(value, str) and value in BY_NAME]


def models(prompt: dict[str, dict]) -> dict[str, list[dict[str, str]]]:
    """By node: what its `properties.models` says of files that somebody has published."""
    found = {
        n: [f.model for f in dict.fromkeys(named(node["inputs"].values())) if f.url]
        for n, node in prompt.items()
    }
    return {n: files for n, files in found.items() if files}
