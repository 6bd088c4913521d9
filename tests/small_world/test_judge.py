"""The judge on rendered truth and on pictures that are wrong in one known way."""

import numpy as np
import pytest

from sprites.judge import Request, judge, read_cells
from sprites.judge.self_test import judge_wrong, read_truth
from sprites.judge.verdict import overlap
from sprites.world.kinds import KINDS
from sprites.world.palette import picture
from sprites.world.scene import Scene, columns_for, pick_scene, place_subjects


def mean(values):
    return float(np.mean(list(values)))


def test_rendered_truth():
    truth = read_truth(100)
    assert min(truth.kinds, truth.positions, truth.identities, truth.places) >= 0.99
    assert truth.diptychs == 0 and truth.extra == 0


@pytest.mark.parametrize("same", [False, True])
def test_right_pictures(same):
    for v in judge_wrong("right", 30, same=same):
        assert v.present == v.fidelity == v.layout == 1 and not v.diptych
        assert v.identity == (1, 1) and v.leak == (0, 0) and all(v.matched)


def test_swapped_identities_of_two_kinds_leak_wholly():
    verdicts = judge_wrong("identities swapped", 30)
    assert mean(x for v in verdicts for x in v.identity) == 0
    assert mean(x for v in verdicts for x in v.leak) == 1
    assert not any(x for v in verdicts for x in v.matched)
    assert all(v.present == 1 for v in verdicts)


def test_swapped_identities_of_one_kind_are_told_by_place():
    """The first reference is the left one's: the box, not the looks, says which is which."""
    verdicts = judge_wrong("identities swapped", 30, same=True)
    assert mean(x for v in verdicts for x in v.identity) == 0


def test_blended_palettes_leak_in_part():
    verdicts = judge_wrong("palettes blended", 60)
    assert 0.1 < mean(x for v in verdicts for x in v.leak) < 0.6
    assert 0.4 < mean(x for v in verdicts for x in v.identity) < 0.9
    assert not any(x for v in verdicts for x in v.matched)


def test_a_stranger_is_unlike_but_no_leak():
    verdicts = judge_wrong("a stranger's looks", 30)
    assert mean(v.identity[1] for v in verdicts) == 0 and mean(v.identity[0] for v in verdicts) == 1
    assert mean(x for v in verdicts for x in v.leak) == 0


def test_missing_and_moved_subjects():
    missing, moved = judge_wrong("one subject missing", 30), judge_wrong("one subject moved", 30)
    assert all(v.present == 0.5 and v.identity[1] == 0 for v in missing)
    assert mean(v.fidelity for v in missing) == pytest.approx(2 / 3)
    assert all(v.present == 1 and v.layout == 0.5 for v in moved)


def test_two_panels():
    assert mean(v.diptych for v in judge_wrong("two panels", 60)) >= 0.98


def test_a_stray_cell_is_forgiven_and_half_a_subject_is_not():
    rng = np.random.default_rng(0)
    scene = Scene("at night", place_subjects(rng, ["robot"], 2), columns_for(2))
    (subject,) = scene.subjects
    request = Request([subject.kind], scene.place, [subject.identity])
    cells = scene.cells()
    cells[subject.row + 3, subject.column + 3] = 0
    assert judge(cells, request).present == 1
    cells[subject.row : subject.row + 3] = cells[0, 0]
    assert judge(cells, request).present == 0


def test_empty_pictures_show_nobody():
    for kind in KINDS:
        verdict = judge(read_cells(np.zeros((128, 128, 3), np.uint8)), Request([kind], "at night"))
        assert verdict.found == (None,) and verdict.fidelity == 0


def test_overlap():
    found = judge(
        (scene := pick_scene(np.random.default_rng(1), 1, 2)).cells(), Request([scene.subjects[0].kind], "")
    ).found[0]
    row, column, rows, columns = found.box
    assert overlap(found, found.box) == 1
    assert overlap(found, (row + 3, column, rows, columns)) == pytest.approx(18 / 54)
    assert overlap(found, (row + 6, column, rows, columns)) == overlap(None, found.box) == 0


def test_reading_survives_small_changes_of_colour():
    rng = np.random.default_rng(0)
    scene = pick_scene(rng, 2, 2)
    pixels = picture(scene.cells()).astype(int) + rng.integers(-8, 9, (128, 128, 3))
    assert (read_cells(pixels.clip(0, 255)) == scene.cells()).all()
