"""Z_image of one AnyMS Layout: keys and values of its subjects in every layer, under the memory manager."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn
from torch.nn import functional as F

from ....anyms_attention import image_attention, rms_norm
from .adapter_files import Adapter, Linear
from .layout import Layout
from .sides import Sides


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
        self._step: tuple[Tensor | None, bool] = (None, True)  # where there are no steps, it acts

    @torch.compiler.disable
    def acts(self, options: dict) -> bool:
        """Is this step in the window? Every layer asks; to read it is to wait for the GPU: once a step."""
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
        each = [self._part(layer, part, rows, positive) for part, positive in zip(q.chunk(len(parts)), parts)]
        return torch.cat(each)

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
