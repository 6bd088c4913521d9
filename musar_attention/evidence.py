"""What speaks for each subject at each target token, gathered layer by layer.

The paper's layer decides by its own affinity S*. Gathered over the layers of a step, those that cannot
tell the subjects apart follow those that can. What a layer adds:

raw        S* as it is
centred    S* less each subject's mean over the picture: a liking for one phrase that is the same
           everywhere adds nothing, however large
"""

from __future__ import annotations

from torch import Tensor

RULES = ("raw", "centred")


def evidence(here: Tensor, before: Tensor | None = None, rule: str = "raw") -> Tensor:
    """A layer's affinity [B,n,c], and the evidence of the layers before it -> the evidence with it."""
    if rule not in RULES:
        raise ValueError(f"The rule of evidence is one of {', '.join(RULES)}; found {rule!r}.")
    added = here if rule == "raw" else here - here.mean(1, keepdim=True)
    return added if before is None else before + added
