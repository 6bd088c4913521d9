"""The study of boxes: what its adapter learns from, and how layouts are measured."""

import numpy as np
import pytest
import torch

from musar_attention import Box
from sprites.judge import Request
from sprites.world.scene import Scene, columns_for
from studies.anyms.adapter import lesson, window
from studies.anyms.asked import boxed_cases
from studies.anyms.beside import shares
from studies.anyms.found import ap50, average_precision, detections, measured
from studies.anyms.train import read_settings


def test_lessons_depend_on_their_number_alone(encode):
    settings = read_settings()["adapter"] | {"batch": 4, "no_look": 0.5}
    for number in (0, 7):
        a, b = (lesson(settings, encode, number) for _ in range(2))
        assert torch.equal(a.base.latent, b.base.latent) and torch.equal(a.base.noise, b.base.noise)
        assert torch.equal(a.images, b.images) and torch.equal(a.window, b.window)
        assert ((a.weight > 1).sum(1) == 9).all(), "the subject's own tokens count more"
        assert (a.window[:, 0].bool() | (a.weight == 1)).all(), "every window holds its subject"
        assert (a.window[~a.known] == 1).all(), "without a look the whole picture sees nothing of it"


def test_windows():
    (case,) = boxed_cases(1, 1)
    rows, columns = case.scene.rows // 2, case.scene.columns // 2
    (subject,) = case.scene.subjects
    own, grown, whole = (
        window(np.random.default_rng(0), how, subject, rows, columns) for how in ("exact", "grown", "whole")
    )
    assert own.sum() == 9 and (grown >= own).all() and grown.sum() > 9 and whole.all()
    assert own[subject.row // 2, subject.column // 2] and not own[0, 0]


def test_true_pictures_have_every_hit_and_wrong_ones_do_not():
    (case,) = boxed_cases(3, 1)
    right = measured(case.scene.cells(), case.request)
    assert right["layout"] == right["identity"] == 1.0
    assert right["found"] == [[36, 1]] * 3
    moved = Scene(case.scene.place, case.scene.subjects[1:], columns_for(3))
    assert sorted(detections(moved.cells(), case.request)) == [[36, 1]] * 2
    there = Request(case.request.kinds, case.scene.place, boxes=[(0, 0, 6, 6)] * 3)
    assert sorted(detections(case.scene.cells(), there))[0] == [36, 0]


@pytest.mark.parametrize(
    "found, wanted, area",
    [
        ([], 2, 0.0),
        ([(36, 1), (36, 1)], 2, 1.0),
        ([(36, 1), (30, 0)], 2, 0.5),
        ([(36, 0), (30, 1)], 1, 0.5),
        ([(36, 1), (36, 0)], 1, 0.5),  # as sure: neither comes first
        ([(36, 1), (33, 0), (30, 1)], 2, 0.5 + 0.5 * 2 / 3),
    ],
)
def test_average_precision(found, wanted, area):
    assert average_precision(found, wanted) == pytest.approx(area)


def test_its_interval_is_of_prompts():
    pictures = [{"case": i // 2, "found": [[36, int(i < 2)]]} for i in range(8)]
    mean, low, high = ap50(pictures, 1)
    assert low <= mean <= high and low == 0.0


def test_a_token_in_two_boxes():
    boxes = [Box(0.0, 0.0, 0.75, 1.0), Box(0.25, 0.0, 1.0, 1.0)]
    assert shares(boxes, (1, 4), "crop").tolist() == [[1, 0, 0, 0], [0, 1, 1, 1]]
    assert shares(boxes, (1, 4), "sum").tolist() == [[1, 1, 1, 0], [0, 1, 1, 1]]
    assert shares(boxes, (1, 4), "joint").tolist() == [[1, 1, 1, 1]]
