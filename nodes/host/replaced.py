"""Methods of a network that another pack put its own in place of, and what to do about it."""

from __future__ import annotations

from comfy.ldm.flux.model import Flux
from torch import nn


def replaced(network: nn.Module, name: str) -> str | None:
    """The module of whoever did; None = the host's own."""
    method = getattr(getattr(network, "_orig_mod", network), name)
    method = getattr(method, "__func__", method)
    return None if method is getattr(Flux, name) else getattr(method, "__module__", "another node")


def sentence(who: str, did: str) -> str:
    return (
        f"{who} replaced {did}. Remove its node and restart ComfyUI, as some leave their own on the model. "
        "EasyCache works in place of TeaCache and First Block Cache."
    )
