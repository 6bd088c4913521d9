"""LoRA files that MUSAR Dual LoRA cannot use on FLUX.2, known by the names of their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

DOUBLE = 8  # blocks of FLUX.2 at most; FLUX.1 has 19
_BLOCK = re.compile(r"(?<!single_)(?:transformer|double)_blocks[._](\d+)[._]")
_MODULATED = re.compile(  # a modulation of each block's own
    r"blocks[._]\d+[._](img_mod|txt_mod|modulation)[._]lin|norm1(_context)?[._]linear|norm[._]linear"
)


def check_lora(state: Mapping[str, Tensor], name: str) -> None:
    """klein 4B is as wide as FLUX.1, so that shapes alone would not tell."""
    doubles = [int(m[1]) for key in state for m in [_BLOCK.search(key)] if m]
    if max(doubles, default=0) >= DOUBLE or any(_MODULATED.search(key) for key in state):
        raise ValueError(
            f"{name} is a LoRA for FLUX.1: it has blocks or layers that FLUX.2 does not. Choose one made "
            "for this FLUX.2 model."
        )
