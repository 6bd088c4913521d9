"""Now and then an example without its words or without one of its references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.example import Example


def drop(example: Example, settings: dict, rng: np.random.Generator) -> Example:
    """`settings` holds chances: text (of single-subject examples), reference (of examples with two)."""
    text, reference = rng.random(2)
    if len(example.references) == 1 and text < settings["text"]:
        (only,) = example.references
        return replace(example, prompt="", references=(replace(only, phrase=""),))
    if len(example.references) > 1 and reference < settings["reference"]:
        kept = int(rng.integers(len(example.references)))
        return replace(example, references=(example.references[kept],))
    return example
