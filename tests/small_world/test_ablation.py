"""What the ablation asks for, and how scores become a table."""

from types import SimpleNamespace

import numpy as np
import pytest

from musar_attention import find_phrase
from sprites.world.captions import held_out_prompt
from sprites.world.identity import held_out
from studies.judging.cases import CELLS, cases, name_of
from studies.judging.score import figures
from studies.judging.table import SHOWN, bootstrap, differences, interval, table
from studies.judging.variant import shortening
from training.data.words import letters


@pytest.mark.parametrize("count, same", CELLS)
def test_cases_were_never_trained_on(count, same):
    asked = cases(count, same, 20)
    assert asked == cases(count, same, 20) and len(asked) == 20
    for case in asked:
        subjects = case.scene.subjects
        assert held_out_prompt(case.scene)
        assert all(held_out(s.kind, s.identity) for s in subjects)
        assert len({s.kind for s in subjects}) == count - same
        assert len({c for s in subjects for c in (s.identity.first, s.identity.second)}) == 2 * count
        ends = [find_phrase(letters(case.words), r.phrase, r.occurrence)[-1] for r in case.example.references]
        assert ends == sorted(set(ends)), "the references stand as the prompt names them"


def test_the_true_scene_is_right_and_a_swapped_one_is_not():
    for case in cases(2, True, 5):
        right = figures(case.scene.cells(), case.request)
        assert right == {
            "identity": 1,
            "matched": 1,
            "leak": 0,
            "fidelity": 1,
            "diptych": 0,
            "present": 1,
            "extra": 0,
        }
        empty = figures(np.full_like(case.scene.cells(), 20), case.request)
        assert empty["identity"] == 0 and empty["leak"] is None


def scores(shift):
    rng = np.random.default_rng(1)
    pictures = [
        {"case": i, "seed": s} | dict.fromkeys(SHOWN, float(rng.random() + shift))
        for i in range(10)
        for s in range(3)
    ]
    return {name_of(*cell): pictures for cell in CELLS}


def test_intervals_are_over_prompts_not_pictures():
    pictures = [{"case": i, "leak": float(i % 2)} for i in range(40) for _ in range(50)]
    mean, low, high = interval(pictures, "leak")
    assert mean == 0.5 and 0.3 < low < 0.42 and 0.58 < high < 0.7
    assert interval([{"case": 0, "leak": None}], "leak") is None
    assert bootstrap([0.25, 0.25]) == (0.25, 0.25, 0.25)


def test_the_table_has_a_row_a_cell_and_variant():
    made = {"full": scores(0.1), "other": scores(0.0)}
    lines = table(made)
    assert len(lines) == 2 + 2 * len(CELLS) and lines[2].startswith("| 1 | full | ")
    (row,) = differences(made)[4:]
    assert row == "| other | " + " | ".join(["+0.100 (+0.100 to +0.100)"] * len(SHOWN)) + " |"


def test_a_short_t_is_whole_again_for_the_last_stage():
    encoder = SimpleNamespace(length=512)
    stages = [{"steps": 2}, {"steps": 2}, {"steps": 3}]
    trainer = SimpleNamespace(config={"stages": stages}, total=7, examples=SimpleNamespace(encoder=encoder))
    each_step, lengths = shortening(48), [encoder.length]
    for trainer.step in range(1, 7):  # what is called behind a step sets the next one's
        each_step(trainer, 0.0)
        lengths.append(encoder.length)
    assert lengths == [512, 48, 48, 48, 512, 512, 512]
