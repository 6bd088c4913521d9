"""AdamW, or one of two that a user may have installed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

USUAL = {"adamw": 1e-4, "adamw8bit": 1e-4, "prodigy": 1.0}


def rate_of(config: dict) -> float:
    """`learning_rate`; null is the optimizer's usual one."""
    rate = config["learning_rate"]
    return USUAL[config["optimizer"]] if rate is None else rate


def new_optimizer(parameters: Sequence[nn.Parameter], config: dict) -> torch.optim.Optimizer:
    """`optimizer` is adamw, adamw8bit (needs bitsandbytes) or prodigy (needs prodigyopt)."""
    name, rate, decay = config["optimizer"], rate_of(config), config["weight_decay"]
    if name == "adamw":
        return torch.optim.AdamW(parameters, rate, (0.9, 0.99), weight_decay=decay)
    if name == "adamw8bit":
        bnb = _import("bitsandbytes", name)
        return bnb.optim.AdamW8bit(parameters, rate, (0.9, 0.99), weight_decay=decay)
    if name == "prodigy":
        prodigy = _import("prodigyopt", name)
        return prodigy.Prodigy(parameters, rate, weight_decay=decay, safeguard_warmup=True)
    raise ValueError(f"optimizer is {name!r}. It must be one of {', '.join(USUAL)}.")


def _import(package: str, name: str) -> object:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise ValueError(
            f"optimizer {name} needs the package {package}, which is not installed. Install it, or "
            "choose adamw."
        ) from None
