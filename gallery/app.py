"""A shipped graph as a form, which ComfyUI's frontend calls an app: pictures, words, a button.

The frontend reads it from a saved graph's `extra`: `linearData` names the widgets in the form and the nodes
whose pictures it shows, `linearMode` says whether the graph opens as its form or as its nodes. The button at
the top left turns one into the other.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from .graph import SIDES, Graph

OPENS_AS_A_FORM = "two_subjects_"  # what a newcomer tries first; all others open as nodes
ASKED = {  # of each kind of node
    "LoadImage": ("image",),
    "MusarSubject": ("prompt", "phrase"),
    "PrimitiveStringMultiline": ("value",),
    "MusarConditioning": ("prompt",),
    "CLIPTextEncode": ("text",),
    "KSampler": ("seed",),
    "RandomNoise": ("noise_seed",),
    "PrimitiveInt": ("value",),
}


def form_of(graph: Graph) -> dict[str, Any]:
    """The graph's `extra`. A condition prompt is asked for where the weights want one, and a phrase where
    MUSAR Conditioning looks for it; of second passes nothing is, nor of a negative, nor the size."""
    kinds = {node["class_type"] for node in graph.prompt.values()}
    silent = set() if "MusarConditioning" in kinds else {"MusarSubject"}
    pictures, rest = [], {}
    for number, node in graph.prompt.items():
        kind, inputs = node["class_type"], node["inputs"]
        size = node["_meta"]["title"] in SIDES.values()
        names = () if size or kind in silent else ASKED.get(kind, ())
        asked = [[int(number), n] for n in names if inputs[n] != "" and not isinstance(inputs[n], list)]
        if kind in ("LoadImage", "MusarSubject"):
            pictures += asked
        else:
            rest.setdefault(kind, asked)  # the first of its kind
    pictures.sort(key=lambda entry: entry[0])  # a subject's together
    inputs = [*pictures, *chain(*(rest.get(kind, ()) for kind in ASKED))]
    shown = [int(number) for number, node in graph.prompt.items() if node["class_type"] == "SaveImage"]
    opens = graph.name.startswith(OPENS_AS_A_FORM)
    return {"linearMode": opens, "linearData": {"inputs": inputs, "outputs": shown}}
