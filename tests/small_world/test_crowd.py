"""The less kind world: who covers whom, what the words say, and a judge that knows what is hidden."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file

from sprites.judge import judge, read_cells
from sprites.judge.self_test import read_truth
from sprites.text_encoder import TextEncoder, mixing_weights, text_weights
from sprites.world.crowd import HELD_OUT_OPENING, OPENINGS, SEEN, TWO_WORDS, crowd, tell, visible
from sprites.world.palette import picture
from studies.judging.crowds import crowd_cases
from tools.comfy_server import ROOT
from training.data.sprites import Sprites
from training.data.sprites_scenes import SpritesScenes

COUNTS = (1, 2, 5, 8)


def scenes(count, seed=5, number=20):
    rng = np.random.default_rng((seed, count))
    return [crowd(rng, count, max(2, count)) for _ in range(number)]


@pytest.mark.parametrize("count", COUNTS)
def test_everybody_is_seen_and_in_the_order_of_the_words(count):
    hidden = 0
    for scene in scenes(count):
        assert len(scene.subjects) == count and min(visible(scene)) >= SEEN
        assert [s.column for s in scene.subjects] == sorted(s.column for s in scene.subjects)
        hidden += min(visible(scene)) < 1
    assert (hidden > 0) == (count > 1)


@pytest.mark.parametrize("count", COUNTS)
def test_the_words_name_everybody_once(count):
    rng = np.random.default_rng(3)
    for scene in scenes(count):
        told = tell(rng, scene)
        at = 0
        for name in told.names:
            at = told.words.index(name, at) + len(name)  # one after the other
        assert scene.place in told.words and len(told.names) == count


def test_what_is_held_out_is_never_told():
    rng = np.random.default_rng(0)
    told = [tell(rng, scene).words for scene in scenes(2, number=200)]
    assert not any(HELD_OUT_OPENING in words for words in told) and HELD_OUT_OPENING not in OPENINGS
    assert any(two in words for words in told for two in TWO_WORDS.values())
    asked = crowd_cases(2, 5, opening=HELD_OUT_OPENING)
    assert all(case.words.startswith(HELD_OUT_OPENING) or HELD_OUT_OPENING in case.words for case in asked)


def test_another_order_is_of_the_references_alone():
    for case in crowd_cases(3, 6, shuffled=True):
        names = [r.phrase for r in case.example.references]
        assert names != list(case.told.called) and sorted(names) == sorted(case.told.called)


def test_the_judge_reads_what_covers_what():
    truth = read_truth(60, crowds=True)
    assert truth.kinds >= 0.98 and truth.identities >= 0.99


def test_a_covered_subject_of_other_looks_is_found_out():
    """Looks of the covering and the covered one swapped: both are there, neither is itself."""
    case = next(c for c in crowd_cases(2, 40) if min(visible(c.scene)) < 1)
    first, second = case.scene.subjects
    swapped = replace(
        case.scene,
        subjects=(replace(first, identity=second.identity), replace(second, identity=first.identity)),
    )
    right, wrong = (judge(read_cells(picture(s.cells())), case.request) for s in (case.scene, swapped))
    assert right.present == wrong.present == 1
    assert min(right.identity) > 0.99 and max(wrong.identity) < 0.5


def test_words_mix_by_their_neighbours():
    mixing, kinder = TextEncoder(mixing_weights(1)), TextEncoder(text_weights(1))

    def robot(encoder, words):
        ids = encoder.tokenizer(words).input_ids
        at = ids.index(encoder.tokenizer("robot").input_ids[0])
        place = encoder.model.positions.weight[at].float()
        return encoder(words)[0][at].float() - place

    def apart(encoder, one, other):
        return float((robot(encoder, one) - robot(encoder, other)).detach().norm())

    words = "a red robot on the beach", "a tin robot at night"  # the same thing at the same place
    assert apart(mixing, *words) > 0.5 and apart(kinder, *words) < 1e-3


def test_the_shipped_encoder_is_the_mixing_one():
    weights = load_file(ROOT / "demo" / "models" / "crowd" / "sprites_text.safetensors")
    assert "mix" in weights and float(weights["things.weight"].abs().max()) == 0


def test_the_trainer_reads_it():
    """Each row by itself, the same every time, and other than the kinder world's."""
    single, kinder = (Sprites(rows=4, seed=1, crowd=crowd) for crowd in (True, False))
    assert all(np.array_equal(single[row].target, single[row].target) for row in range(4))
    assert any(not np.array_equal(single[row].target, kinder[row].target) for row in range(4))
    scene = SpritesScenes(rows=4, seed=1, subjects=[3], crowd=True)[0]
    assert all(r.phrase in scene.prompt for r in scene.references) and len(scene.references) == 3
