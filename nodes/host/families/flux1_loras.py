"""Published LoRA files for FLUX.1 that MUSAR Dual LoRA cannot use, known by the names of their keys."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from torch import Tensor

log = logging.getLogger("musar")


def check_lora(state: Mapping[str, Tensor], name: str) -> None:
    """ValueError says what to do with the file instead."""
    keys = "\n".join(state)
    if re.search(r"^dreamo_|^double_blocks_\d+\.processor", keys, re.MULTILINE):
        raise ValueError(
            f"{name} is a DreamO file. DreamO also adds embeddings to the references' tokens, which only "
            "its own nodes do, and they replace the model's forward, so that they do not go with MUSAR "
            "Routing. Use those alone, or UNO."
        )
    if re.search(r"processor\.[qkv]_loras\.\d", keys):
        raise ValueError(
            f"{name} is an EasyControl file: its LoRAs belong to attention processors that only "
            "EasyControl's own nodes run. Use those, or UNO."
        )
    if "single_blocks.37.processor.qkv_lora.up.weight" in state:
        log.warning(
            "%s is a UNO or USO LoRA, made for all tokens: it belongs in Load LoRA, USO with one subject and "
            "UNO with up to three. For more, choose UNO here as subject_lora and as noise_lora, with the "
            "preset 'UNO, four or more'.",
            name,
        )
