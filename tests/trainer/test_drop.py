"""Examples without their words, or without one of their references."""

import numpy as np

from training.data.example import Example, Reference
from training.run.drop import drop

PICTURE = np.zeros((16, 16, 3), np.uint8)
CAT, DOG = (Reference(PICTURE, f"a {kind}", kind) for kind in ("cat", "dog"))
ONE, TWO = Example("a cat", (CAT,), PICTURE), Example("a cat and a dog", (CAT, DOG), PICTURE)
DRAWN = 2000


def drawn(example, **chances):
    rng = np.random.default_rng(0)
    return [drop(example, {"text": 0.0, "reference": 0.0} | chances, rng) for _ in range(DRAWN)]


def test_words_as_often_as_asked():
    silent = [e for e in drawn(ONE, text=0.3) if e.prompt == ""]
    assert abs(len(silent) / DRAWN - 0.3) < 0.04
    assert all(e.references[0].phrase == "" and len(e.references) == 1 for e in silent)


def test_either_reference_as_often_as_asked():
    alone = [e for e in drawn(TWO, reference=0.6) if len(e.references) == 1]
    assert abs(len(alone) / DRAWN - 0.6) < 0.04 and all(e.prompt == TWO.prompt for e in alone)
    assert abs(sum(e.references[0].phrase == "cat" for e in alone) / len(alone) - 0.5) < 0.05


def test_nothing_else():
    assert all(e is ONE for e in drawn(ONE, reference=1.0)) and all(e is TWO for e in drawn(TWO, text=1.0))
