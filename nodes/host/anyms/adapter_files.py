"""Image adapters: read safely, whole or not at all."""

from __future__ import annotations

import itertools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..lora_files import read_file
from .kinds import KNOWN, SDXL_PLUS, Kind, kind_of

FACE = 512  # numbers that a recogniser of faces gives
HEAD = "vision_model.head."  # of SigLIP, which the host's vision encoder leaves out
WITH_HEAD = "Choose in siglip the file that Load CLIP Vision reads (SigLIP so400m-384)."


@dataclass(frozen=True, eq=False)
class Linear:
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, eq=False)
class Layer:
    """What makes keys and values of image tokens in one attention layer of the base."""

    k: Linear
    v: Linear

    @property
    def width(self) -> int:
        return len(self.k.weight)


@dataclass(frozen=True, eq=False)
class Adapter:
    """What an ANYMS_ADAPTER socket carries."""

    name: str  # of the file
    kind: Kind
    projection: dict[str, Tensor]
    layers: tuple[Layer, ...]
    head: dict[str, Tensor] | None = None  # SigLIP's pooling

    @property
    def sees(self) -> int:
        """The width of what it takes from the vision encoder."""
        return self.projection[self.kind.width_of].shape[1]


def convert_command(path: Path) -> str:
    """For a shell: the tensors of a pickle, read without running what else it holds, as safetensors.
    It is shown in an error, and never run here."""
    name, out = path.name, path.stem + ".safetensors"
    mapped = ", mmap=True" if zipfile.is_zipfile(path) else ""  # else the memory holds it twice
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"d = torch.load('{name}', map_location='cpu', weights_only=True{mapped}); "
        "flat = lambda d, at='': {k: v for n, x in d.items() for k, v in "
        "(flat(x, at + n + '.') if isinstance(x, dict) else {at + n: x.clone()}).items()}; "
        f"save_file(flat(d), '{out}')\""
    )


def read_adapter(path: Path, siglip: Path | None = None) -> Adapter:
    """ValueError says what is wrong with a file."""
    name = path.name
    how = "Convert it in its folder, by the Python that runs ComfyUI, with this command: "
    state = read_file(path, how + convert_command(path))
    kind = kind_of(state, name)
    projection = _under(state, kind.projection)
    layers = []
    for at in itertools.count(kind.first, kind.step):
        if kind.layer.format(at, "k") + ".weight" not in state:
            break
        layers.append(Layer(*(_linear(state, kind.layer.format(at, part), name) for part in "kv")))
    _check(kind, projection, layers, state, name)
    return Adapter(name, kind, projection, tuple(layers), _head(kind, siglip, name))


def _head(kind: Kind, siglip: Path | None, name: str) -> dict[str, Tensor] | None:
    if kind.sees != "siglip":
        return None
    if siglip is None:
        raise ValueError(
            f"{name} reads what SigLIP's pooling head sees, and ComfyUI's vision encoder leaves that head "
            f"out. {WITH_HEAD}"
        )
    head = _under(read_file(siglip), HEAD)
    if "probe" not in head:
        raise ValueError(f"{siglip.name} has no pooling head ({HEAD}probe). {WITH_HEAD}")
    return head


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _linear(state: dict[str, Tensor], at: str, name: str) -> Linear:
    if f"{at}.weight" not in state:
        raise ValueError(f"{name} is not whole: it has no {at}.weight. Download or convert it again.")
    return Linear(state[f"{at}.weight"], state.get(f"{at}.bias"))


def _check(kind: Kind, projection: dict, layers: list[Layer], state: dict, name: str) -> None:
    again = "Download or convert it again."
    pattern = re.escape(kind.layer).replace(r"\{\}", "(.+)", 1).replace(r"\{\}", "k")
    found = {match[1] for key in state if (match := re.match(pattern, key))}
    if len(found) != len(layers):
        raise ValueError(
            f"{name} is not whole: of the {len(found)} layers in it only the first {len(layers)} follow one "
            f"another. {again}"
        )
    for key in kind.needs:
        if key not in projection:
            raise ValueError(f"{name} is not whole: it has no {kind.projection}{key}. {again}")
    if kind is SDXL_PLUS and projection[kind.width_of].shape[1] == FACE:
        raise ValueError(
            f"{name} is an InstantID or FaceID adapter, which reads what a recogniser of faces gives. Choose "
            f"an adapter of a kind known here ({KNOWN})."
        )
    width = len(projection[kind.needs[0]])
    for layer in layers:
        k, v = layer.k.weight, layer.v.weight
        if k.ndim != 2 or k.shape != v.shape or k.shape[1] != width:
            raise ValueError(
                f"{name} is broken: its image tokens are {width} wide, and a layer makes keys and "
                f"values by {[*k.shape]} and {[*v.shape]}. {again}"
            )
