"""A frozen base in few bits: the weights of its blocks' layers, made whole one layer at a time.

torchao makes few bits of a weight and a weight of few bits. It asks for no gradient of what is frozen, so a
layer keeps nothing but its few bits for the backward pass, and makes them whole again there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .dual_lora import stream_of

PACKAGE = "torchao>=0.18"
BLOCKS = r"(single_)?transformer_blocks\."


@dataclass(frozen=True)
class Bits:
    held: float  # bytes of a weight, its scales among them
    making: float  # bytes of a weight while its layer is made whole


KINDS = {"int8": Bits(1.004, 10), "nf4": Bits(0.516, 14.1)}


class Quantised(nn.Linear):
    """The frozen `layer` with other weights: a hook, or a look at its sizes, finds what it found before."""

    def __init__(self, layer: nn.Linear, weight: Tensor) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        self.weight, self.bias = nn.Parameter(weight, requires_grad=False), layer.bias

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        return _Product.apply(x, self.weight, self.bias)


class _Product(torch.autograd.Function):
    """x Wᵀ + b, with a gradient for x alone."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(weight)
        y = x @ whole(weight, x.dtype).T  # linear with a bias gives a view, which no LoRA could be added to
        return y if bias is None else y.add_(bias)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN001
        (weight,) = ctx.saved_tensors
        return gradient @ whole(weight, gradient.dtype), None, None


def whole(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The library's two kinds of tensors name it differently."""
    make = getattr(weight, "get_original_weight", None)
    return weight.dequantize(dtype) if make is None else make().to(dtype)


def quantise(flux: nn.Module, kind: str, device: torch.device) -> None:
    """Layer by layer, on `device`, each back to where it was: never is the whole network there, nor twice
    anywhere. ValueError: the package is not installed."""
    makers = _makers(kind)
    for name in [name for name, _ in layers(flux)]:
        layer = flux.get_submodule(name)
        few = makers[kind_of(name, kind)](layer.weight.detach().to(device)).to(layer.weight.device)
        flux.set_submodule(name, Quantised(layer, few))


def layers(flux: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The linear ones of the blocks."""
    for name, layer in flux.named_modules():
        if isinstance(layer, nn.Linear) and re.match(BLOCKS, name):
            yield name, layer


def kind_of(name: str, kind: str) -> str:
    """What makes shifts and scales of the time acts on every token alike: it has eight bits at least."""
    return kind if stream_of(name) else "int8"


def same_everywhere(model: nn.Module) -> None:
    """Every process has quantised the same weights: DDP need not send them about, and could not."""
    names = [f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, Quantised)]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, names)


def held(flux: nn.Module, kind: str | None, size: int = 2) -> float:
    """Bytes of the base, counted from its shapes; `size` is a weight's that is not quantised."""
    few = layers(flux) if kind else ()
    saved = sum((size - KINDS[kind_of(name, kind)].held) * layer.weight.numel() for name, layer in few)
    return size * sum(p.numel() for p in flux.parameters()) - saved


def making(flux: nn.Module, kind: str | None) -> float:
    """Bytes beside it while the layer that takes most is made whole."""
    few = layers(flux) if kind else ()
    return max((KINDS[kind_of(n, kind)].making * layer.weight.numel() for n, layer in few), default=0.0)


def _makers(kind: str) -> dict[str, Callable[[Tensor], Tensor]]:
    try:
        from torchao.quantization import Int8Tensor, PerRow, to_nf4
    except ImportError:
        raise ValueError(
            f'quantise: {kind} needs the package torchao, which is not installed: pip install "{PACKAGE}". '
            "Or set quantise: null."
        ) from None
    return {"int8": lambda w: Int8Tensor.from_hp(w, PerRow()), "nf4": to_nf4}
