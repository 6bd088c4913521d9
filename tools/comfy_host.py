"""Import the host's modules into this process, on the CPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def use_comfy(path: str | Path | None = None) -> Path:
    """Put ComfyUI (default: COMFYUI_PATH) first on sys.path and have it run on the CPU."""
    path = Path(path or os.environ["COMFYUI_PATH"]).resolve()
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    import utils.extra_config  # noqa: F401 - first, as main.py does: `nodes` hides it behind comfy/utils.py
    from comfy.cli_args import args

    args.cpu = True
    args.disable_api_nodes = True
    return path
