"""What weights of one kind were trained with, and so want."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    name: str
    positions: str
    static: bool
    evidence: str = "centred"  # rule by which layers speak for a subject
    owners_by: str = "phrase"
    remember: bool = False  # from step to step
    smooth: bool = False
    dual: bool = False  # the weights are a MUSAR dual LoRA
    off_prompt: bool = False  # a LoRA for all tokens, as both branches: the prompt's see none of it
    places: int = 0  # for references, which take them in turn; 0 = as the widget says
    lora: bool = False  # the model reads references by a LoRA alone, in a stock node

    @property
    def routing(self) -> dict[str, bool | str]:
        """What it sets in MUSAR Routing, under the widgets' names."""
        names = ("static", "evidence", "owners_by", "remember", "smooth")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        places = f", places {self.places}" if self.places else ""
        return f"{self.name}: positions {self.positions}{places}, static {'on' if self.static else 'off'}"
