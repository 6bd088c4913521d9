"""The kinds of image adapter, told apart by the keys of their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from ....anyms_attention import linear_tokens, mlp_tokens, resampled_tokens
from ..families import FLUX1

SDXL, FLUX = "SDXL", FLUX1.name


@dataclass(frozen=True)
class Kind:
    name: str  # as sentences call it
    base: str  # SDXL or FLUX.1
    projection: str  # prefix of its projection's keys
    layer: str  # its keys in layer n
    first: int  # the first n, and from one layer to the next
    step: int
    sees: str  # embeds (pooled, projected), states (penultimate hidden ones) or siglip (pooled by its head)
    tokens: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    needs: tuple[str, ...]  # of the projection's keys; the first is as long as an image token is wide
    width_of: str  # the weight whose inputs are as wide as what the encoder gives
    encoder: str  # whose pictures it was trained to read
    empty: str = "embedding"  # of zeros; or a picture all of the encoder's mean colour, or black
    normalised: bool = False  # keys and values at mean square 1 in each head
    blocks: str = "all"  # of FLUX: all, or double ones alone
    after_block: bool = False  # added to the block's outcome instead of to the attention's


_NORM = ("norm.weight", "norm.bias")
_LINEAR = (*_NORM, "proj.weight", "proj.bias")
_MLP = (*_NORM, "proj.0.weight", "proj.0.bias", "proj.2.weight", "proj.2.bias")
_ENDS = (f"{part}.{kind}" for part in ("norm_out", "proj_in", "proj_out") for kind in ("weight", "bias"))
_READS = ("0.norm1.weight", "0.norm1.bias", "0.norm2.weight", "0.norm2.bias")
_READS += ("0.to_q.weight", "0.to_kv.weight", "0.to_out.weight")
_READS += ("1.0.weight", "1.0.bias", "1.1.weight", "1.3.weight")
_RESAMPLER = (*_ENDS, "latents", *(f"layers.{i}.{key}" for i in range(4) for key in _READS))
_IP = {"projection": "image_proj.", "layer": "ip_adapter.{}.to_{}_ip"}
_CLIP = "CLIP ViT-H, or ViT-bigG for the oldest file"
SDXL_BASE = Kind(
    "SDXL IP-Adapter",
    SDXL,
    **_IP,
    first=1,
    step=2,
    sees="embeds",
    tokens=linear_tokens,
    needs=_LINEAR,
    width_of="proj.weight",
    encoder=_CLIP,
)
SDXL_PLUS = Kind(
    "SDXL IP-Adapter plus",
    SDXL,
    **_IP,
    first=1,
    step=2,
    sees="states",
    tokens=resampled_tokens,
    needs=_RESAMPLER,
    width_of="proj_in.weight",
    encoder="CLIP ViT-H",
    empty="mean",  # zeros to the network
)
INSTANTX = Kind(
    "InstantX FLUX IP-Adapter",
    FLUX,
    **_IP,
    first=0,
    step=1,
    sees="siglip",
    tokens=mlp_tokens,
    needs=_MLP,
    width_of="proj.0.weight",
    encoder="SigLIP so400m-384",
    normalised=True,
)
XLABS = Kind(
    "XLabs FLUX IP-Adapter",
    FLUX,
    "ip_adapter_proj_model.",
    "double_blocks.{}.processor.ip_adapter_double_stream_{}_proj",
    first=0,
    step=1,
    sees="embeds",
    tokens=linear_tokens,
    needs=_LINEAR,
    width_of="proj.weight",
    encoder="CLIP ViT-L",
    empty="black",
    blocks="double",
    after_block=True,
)
KINDS = (SDXL_BASE, SDXL_PLUS, INSTANTX, XLABS)
KNOWN = ", ".join(kind.name for kind in KINDS)

_OTHERS = {  # what their keys hold, and what they are
    r"to_(q|k|v|out)_lora|perceiver_resampler": "a FaceID adapter, which needs a recogniser of faces",
    r"^image_proj\.proj\.3\.": "a full-face adapter",
    r"^(pulid_encoder|pulid_ca|id_encoder)|id_embedding_mapping": "a PuLID or InstantID file",
    r"lora_(A|B|up|down)\.|\.lora\.": "a LoRA",
    r"^(controlnet|input_hint_block|control_model)": "a ControlNet",
    r"^vision_model\.|^visual\.": "a vision encoder, which belongs in Load CLIP Vision",
}


def kind_of(keys: Collection[str], name: str) -> Kind:
    """ValueError says what else the file is."""
    for pattern, what in _OTHERS.items():
        if any(re.search(pattern, key) for key in keys):
            raise ValueError(f"{name} is {what}, and no image adapter of a kind known here ({KNOWN}).")
    if XLABS.layer.format(0, "k") + ".weight" in keys:
        return XLABS
    numbers = {int(key.split(".")[1]) for key in keys if re.match(r"ip_adapter\.\d+\.to_k_ip\.", key)}
    if numbers and "image_proj.latents" in keys and 0 not in numbers:
        return SDXL_PLUS
    if numbers and "image_proj.proj.weight" in keys and 0 not in numbers:
        return SDXL_BASE
    if 0 in numbers and {"image_proj.proj.0.weight", "image_proj.proj.2.weight"} <= set(keys):
        return INSTANTX
    some = ", ".join(sorted(keys)[:3])
    raise ValueError(
        f"{name} holds no image adapter of a kind known here ({KNOWN}); its keys look like {some}. Choose "
        "the safetensors file of one of these."
    )
