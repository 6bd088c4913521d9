"""The dual-branch LoRA on diffusers' FLUX: the same addition as in ComfyUI, with factors that learn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from musar_attention import LowRank, TokenLayout, add_dual_lora
from musar_attention.lora import BRANCHES, FORMAT, TRAINED, VERSION

FACTORS = {"down": "A", "up": "B"}  # in files
EVERYONE = "all"  # one LoRA for all tokens, as the ablation has it
MLP = r"(net\.(0\.proj|2)|linear_(in|out))"  # FLUX.1's, FLUX.2's
STREAMS = (  # of the layers that take a LoRA: attention and MLP projections of every block
    (rf"transformer_blocks\.\d+\.(attn\.(add_[qkv]_proj|to_add_out)|ff_context\.{MLP})", "text"),
    (rf"transformer_blocks\.\d+\.(attn\.(to_[qkv]|to_out\.0)|ff\.{MLP})", "image"),
    (r"single_transformer_blocks\.\d+\.(attn\.to_([qkv]|qkv_mlp_proj|out)|proj_mlp|proj_out)", "joint"),
)


def stream_of(module: str) -> str | None:
    """Which tokens this layer sees; None = it takes no LoRA."""
    return next((stream for pattern, stream in STREAMS if re.fullmatch(pattern, module)), None)


class DualLora(nn.Module):
    """Factors for every target layer of `flux`, added by forward hooks along `layout`; None = not at all.

    `ranks` is {"subject": 128, "noise": 4}, or {"all": 128} for one LoRA on every token. Ups begin
    at zero, so that a new LoRA changes nothing.
    """

    def __init__(self, flux: nn.Module, ranks: Mapping[str, int]) -> None:
        super().__init__()
        unknown = set(ranks) - {*BRANCHES, EVERYONE}
        if unknown or not ranks:
            raise ValueError(
                f"ranks names the branches {', '.join(BRANCHES)}, or {EVERYONE}; found {dict(ranks)}."
            )
        self.ranks = dict(ranks)
        self.layout: TokenLayout | None = None
        self.factors = nn.ModuleDict()
        for name, layer in flux.named_modules():
            stream = stream_of(name) if isinstance(layer, nn.Linear) else None
            if stream is None:
                continue
            for branch, rank in ranks.items():
                if rank and not (branch == "noise" and stream == "text"):
                    self.factors[_key(branch, name)] = _Factors(layer, rank)
            layer.register_forward_hook(self._hook(name, stream))

    def _hook(self, name: str, stream: str) -> Callable:
        pairs = {b: self.factors[_key(b, name)] for b in self.ranks if _key(b, name) in self.factors}
        branches = {b: [LowRank(p.down, p.up, 1.0)] for b, p in pairs.items() if b != EVERYONE}
        everyone = pairs.get(EVERYONE)

        def add(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            if self.layout is None:
                return output
            if everyone is not None:
                output = output + everyone(inputs[0])
            if self.layout.count == 0:  # nobody's reference: the branches rest, as they do in ComfyUI
                return output
            return add_dual_lora(output, inputs[0], self.layout, stream, branches)

        return add

    def exported(self) -> dict[str, Tensor]:
        """The file that MUSAR Dual LoRA reads; one LoRA for all tokens is an ordinary LoRA file."""
        return {name: value.detach().contiguous() for name, value in self._named().items()}

    def load_exported(self, state: Mapping[str, Tensor]) -> None:
        """What `exported` gave of a LoRA with the same ranks."""
        own = self._named()
        if own.keys() != state.keys():
            raise ValueError(f"The LoRA's layers are not those of ranks {self.ranks}: give the ranks it has.")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])

    def _named(self) -> dict[str, Tensor]:
        named = {}
        for key, pair in self.factors.items():
            named[_exported_name(key, "down")] = pair.down.weight
            named[_exported_name(key, "up")] = pair.up.weight
        return named


class _Factors(nn.Module):
    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        place = {"bias": False, "device": layer.weight.device, "dtype": torch.float32}
        self.down = nn.Linear(layer.in_features, rank, **place)
        self.up = nn.Linear(rank, layer.out_features, **place)
        nn.init.normal_(self.down.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


def _key(branch: str, module: str) -> str:
    """A ModuleDict's keys have no dots."""
    return f"{branch}:{module}".replace(".", "/")


def _exported_name(key: str, factor: str) -> str:
    branch, name = key.replace("/", ".").split(":")
    start = "" if branch == EVERYONE else f"{branch}."
    return f"{start}transformer.{name}.lora_{FACTORS[factor]}.weight"


def exported_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`DualLora.exported`, of the state_dict of one that is not there."""
    named = {}
    for full, value in state.items():
        key, factor, _ = full.removeprefix("factors.").split(".")
        named[_exported_name(key, factor)] = value
    return named


def metadata(
    ranks: Mapping[str, int],
    base_model: str,
    step: int,
    seconds: float = 0.0,
    trained: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What stands in the file for people, the format that the node checks, and how it was `trained`, with
    which nodes compare the graph."""
    facts = {f"{branch}_rank": str(rank) for branch, rank in ranks.items()}
    facts |= {"base_model": base_model, "step": str(step), "minutes": f"{seconds / 60:.1f}"}
    if trained:
        facts[TRAINED] = json.dumps(trained)
    return facts if EVERYONE in ranks else {FORMAT: VERSION} | facts
