"""Z_image of one AnyMS Layout: keys and values of its subjects in every layer, under the memory manager."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import comfy.model_management
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.patcher_extension import WrapperExecutor
from torch import Tensor, nn
from torch.nn import functional as F

from ....anyms_attention import image_attention, rms_norm
from .adapter_files import Adapter, Linear
from .layout import EVERYWHERE, Layout
from .sides import Sides

log = logging.getLogger("musar")


class KeysValues(nn.Module):
    """For each layer and each subject a key and a value [1,H,t,D]; the last is what the negative sees."""

    def __init__(self, adapter: Adapter, tokens: list[Tensor], depth: list[int], dtype: torch.dtype) -> None:
        super().__init__()
        self.keys, self.values = nn.ModuleList(), nn.ModuleList()
        device = comfy.model_management.get_torch_device()
        tokens = [t.to(device) for t in tokens]
        for layer, width in zip(adapter.layers, depth):
            for held, linear in ((self.keys, layer.k), (self.values, layer.v)):
                made = [_heads(t, linear, width) for t in tokens]
                if adapter.kind.normalised:
                    made = [rms_norm(t) for t in made]
                held.append(nn.ParameterList(nn.Parameter(t.to("cpu", dtype), False) for t in made))


def _heads(tokens: Tensor, linear: Linear, width: int) -> Tensor:
    """[1,t,w] -> [1,H,t,D]"""
    weight, bias = (None if t is None else t.to(tokens) for t in (linear.weight, linear.bias))
    return F.linear(tokens, weight, bias).unflatten(-1, (-1, width)).transpose(1, 2)


class Beside:
    """Called in a layer with its queries; gives what is to be added to the text's attention."""

    def __init__(self, held: KeysValues, layout: Layout, weight: float, sigmas: tuple[float, float]) -> None:
        self.held, self.layout, self.weight, self.sigmas = held, layout, weight, sigmas
        self.sides = Sides()
        self._rows: dict[tuple, list[Tensor]] = {}
        self.whole: tuple[int, int] | None = None  # rows and columns of the run's latent
        self.asked: set[int] = set()  # layers, in this run
        self._step: tuple[Tensor | None, bool] = (None, True)  # where there are no steps, it acts

    def begin_run(
        self,
        executor: WrapperExecutor,
        noise: Tensor,
        latent: Tensor,
        sampler: Any,
        sigmas: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """The OUTER_SAMPLE wrapper."""
        self.asked, self.whole = set(), tuple(noise.shape[-2:])
        try:
            out = self.sides.begin_run(executor, noise, latent, sampler, sigmas, *args, **kwargs)
        finally:
            self.whole, self._rows = None, {}
        if len(sigmas) > 1 and len(self.asked) < len(self.held.keys):
            log.warning(
                "MUSAR AnyMS Layout was asked in %d of %d layers: a node behind it took the others for "
                "itself. Put that node before MUSAR AnyMS Layout.",
                len(self.asked),
                len(self.held.keys),
            )
        return out

    @torch.compiler.disable
    def acts(self, layer: int, options: dict) -> bool:
        """Is this step in the window? Every layer asks; to read it is to wait for the GPU: once a step."""
        self.asked.add(layer)
        sigma, (last, inside) = options.get("sigmas"), self._step
        if sigma is not last:
            inside = sigma is None or self.sigmas[1] <= float(sigma[0]) <= self.sigmas[0]
            self._step = sigma, inside
        return inside

    @torch.compiler.disable  # it is another in every layer: traced, it would be compiled anew in each
    def image(
        self, layer: int, q: Tensor, target: tuple[int, int], picture: tuple[int, int], options: dict
    ) -> Tensor:
        """Z_image [B,H,n,D] of q [B,H,n,D] on a grid; the batch has a part for each of cond_or_uncond."""
        if q.shape[2] != target[0] * target[1]:
            raise ValueError(
                f"Attention has {q.shape[2]} queries where the picture has {target[0]} × {target[1]} tokens: "
                "another node merges or adds tokens inside the model. Remove it, or MUSAR AnyMS Layout."
            )
        rows = self._rows_on(target, picture, q.device)
        parts = self.sides.of(options)
        each = zip(q.split(_sizes(len(q), parts, options)), parts)
        return torch.cat([self._part(layer, part, rows, positive) for part, positive in each])

    def require_whole(self, latent: tuple[int, int], options: dict) -> None:
        """Boxes are measured on the whole picture."""
        if self.whole in (None, latent) or self.layout.merge == EVERYWHERE or not any(self.sides.of(options)):
            return
        raise ValueError(
            f"The model draws {latent[0]} × {latent[1]} of the latent's {self.whole[0]} × {self.whole[1]} "
            "cells, and boxes are measured on the whole picture. Conditioning (Set Area), Set Mask with mask "
            "bounds and Tiled Diffusion do not go with MUSAR AnyMS Layout: leave them out."
        )

    def _part(self, layer: int, q: Tensor, rows: list[Tensor], positive: bool) -> Tensor:
        strengths = self.layout.strengths
        places = range(len(strengths)) if positive else [-1] * len(strengths)
        keys = [self._of(self.held.keys, layer, k, q) for k in places]
        values = [self._of(self.held.values, layer, k, q) * s for k, s in zip(places, strengths)]

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return optimized_attention(q, k, v, q.shape[1], skip_reshape=True, skip_output_reshape=True)

        return image_attention(q, keys, values, rows, attend, self.layout.background)

    def _of(self, held: nn.ModuleList, layer: int, k: int, q: Tensor) -> Tensor:
        tokens = held[layer]
        return tokens[k % len(tokens)].to(q).expand(len(q), -1, -1, -1)

    def _rows_on(self, target: tuple, picture: tuple, device: torch.device) -> list[Tensor]:
        at = (target, picture, device)
        if at not in self._rows:
            self._rows[at] = [rows.to(device) for rows in self.layout.rows(target, picture)]
        return self._rows[at]


def _sizes(count: int, sides: Sequence[bool], options: dict) -> list[int]:
    """How many of a layer's rows each part of the batch has. Attention Couple and its like have the
    positive's once for each of their prompts."""
    drawn = options.get("activations_shape", (count,))[0]  # by the network
    if drawn == count:
        return [count // len(sides)] * len(sides)
    each, positive = drawn // len(sides), sum(sides)
    more = count - each * (len(sides) - positive)
    if not positive or more % (each * positive):
        raise ValueError(
            f"Attention has {count} rows where the network draws {drawn}: another node repeats some of them. "
            "Remove it, or MUSAR AnyMS Layout."
        )
    return [more // positive if side else each for side in sides]
