"""A CLIP object of the host around the tables of words.py."""

from __future__ import annotations

from types import SimpleNamespace

import comfy.sd
import folder_paths
from comfy.text_encoders.flux import FluxTokenizer
from torch import Tensor

from .words import WordVectors


def load_clip(state: dict[str, Tensor]) -> comfy.sd.CLIP:
    words, width = state["words.weight"].shape
    sizes = {
        "words": words,
        "width": width,
        "pooled": state["pool.weight"].shape[0],
        "places": state["positions.weight"].shape[0],
        "things": state["things.weight"].shape[0],
        "articles": state["articles"].shape[0],
        "rounds": len(state.get("mix", ())),
    }
    target = SimpleNamespace(params=sizes, clip=WordVectors, tokenizer=FluxTokenizer)
    parameters = sum(t.numel() for t in state.values())
    return comfy.sd.CLIP(
        target,
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=parameters,
        state_dict=[state],
    )
