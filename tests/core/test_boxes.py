from dataclasses import astuple
from math import nextafter

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from musar_attention import Box, assign, box_from_pixels, inside_boxes, inside_masks

targets = st.tuples(st.integers(1, 12), st.integers(1, 12))
fractions = st.floats(0, 1)


@st.composite
def boxes(draw):
    left, right = sorted([draw(fractions), draw(fractions)])
    top, bottom = sorted([draw(fractions), draw(fractions)])
    assume(left < right and top < bottom)
    return Box(left, top, right, bottom)


def centres_inside(box, target):
    rows, columns = target
    return [
        box is None
        or (box.top <= (row + 0.5) / rows < box.bottom and box.left <= (column + 0.5) / columns < box.right)
        for row in range(rows)
        for column in range(columns)
    ]


@given(targets, st.lists(st.none() | boxes(), max_size=5))
def test_a_token_is_inside_by_its_centre(target, chosen):
    expected = [centres_inside(box, target) for box in chosen]
    assume(all(any(tokens) for tokens in expected))
    allowed = inside_boxes(chosen, target)
    assert allowed.shape == (1, target[0] * target[1], len(chosen)) and allowed.dtype == torch.bool
    assert allowed[0].T.tolist() == expected


@given(targets, fractions, fractions)
def test_a_box_smaller_than_a_token_gets_the_token_under_it(target, x, y):
    rows, columns = target
    column, row = min(columns - 1, int(x * columns)), min(rows - 1, int(y * rows))
    # A hundredth of a token wide, and away from the token's centre and its border.
    left, top = (column + 0.2) / columns, (row + 0.7) / rows
    box = Box(left, top, left + 0.01 / columns, top + 0.01 / rows)
    assert inside_boxes([box], target)[0, :, 0].nonzero().tolist() == [[row * columns + column]]


@given(targets, boxes())
def test_no_box_is_without_a_token(target, box):
    assert inside_boxes([box], target).any()


@pytest.mark.parametrize("width", [1e-3, 1e-9, 1 - nextafter(1, 0)])
def test_the_smallest_corners(width):
    corners = [Box(0, 0, width, width), Box(1 - width, 1 - width, 1, 1)]
    first, last = inside_boxes(corners, (4, 6))[0].T
    assert first.nonzero().tolist() == [[0]] and last.nonzero().tolist() == [[23]]


def test_a_border_through_a_centre_gives_the_token_to_one_side():
    halves = [Box(0, 0, 1, 0.5), Box(0, 0.5, 1, 1), Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)]
    upper, lower, left, right = inside_boxes(halves, (3, 3))[0].T.view(4, 3, 3).int().tolist()
    assert upper == [[1, 1, 1], [0, 0, 0], [0, 0, 0]] and lower == [[0, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert left == [[1, 0, 0]] * 3 and right == [[0, 1, 1]] * 3


def test_a_box_from_centre_to_centre():
    """Its own centre lies on a border of tokens; that adds no token."""
    box = Box(0.25, 0.25, 0.75, 0.75)
    assert inside_boxes([box], (2, 2))[0, :, 0].tolist() == [True, False, False, False]


def test_a_thin_box_keeps_its_length():
    tall = Box(left=0.30, top=0, right=0.31, bottom=1)
    assert inside_boxes([tall], (3, 4))[0, :, 0].view(3, 4).int().tolist() == [[0, 1, 0, 0]] * 3


def test_where_boxes_overlap_affinity_decides_and_outside_nobody_owns():
    left, right = Box(0, 0, 0.5, 1), Box(0.25, 0, 0.75, 1)
    allowed = inside_boxes([left, right], (1, 4))
    assert allowed[0].int().tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]
    likes_right = torch.tensor([[[0.1, 0.9]]]).expand(1, 4, 2)
    assert assign(likes_right, allowed).tolist() == [[0, 1, 1, -1]]
    assert assign(likes_right.flip(-1), allowed).tolist() == [[0, 0, 1, -1]]


def test_a_subject_without_a_box_may_be_anywhere():
    allowed = inside_boxes([None, Box(0, 0, 0.5, 1)], (1, 2))
    assert allowed[0].int().tolist() == [[1, 1], [1, 0]]
    assert inside_boxes([], (1, 2)).shape == (1, 2, 0)


@given(targets, st.data())
def test_a_second_pass_at_twice_the_size_has_the_same_boxes(target, data):
    rows, columns = target
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    bottom, right = data.draw(st.integers(top + 1, rows)), data.draw(st.integers(left + 1, columns))
    pixels = 16 * left, 16 * top, 16 * (right - left), 16 * (bottom - top)
    box = box_from_pixels(*pixels, canvas=(16 * columns, 16 * rows))
    assert box == box_from_pixels(*(2 * p for p in pixels), canvas=(32 * columns, 32 * rows))
    once = inside_boxes([box], target).view(rows, columns)
    twice = inside_boxes([box], (2 * rows, 2 * columns)).view(2 * rows, 2 * columns)
    assert once.sum() == (bottom - top) * (right - left) and once[top:bottom, left:right].all()
    assert torch.equal(twice, once.repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize(
    "pixels, box",
    [
        ((0, 0, 200, 100), (0, 0, 1, 1)),
        ((50, 25, 100, 25), (0.25, 0.25, 0.75, 0.5)),
        ((-50, -25, 100, 50), (0, 0, 0.25, 0.25)),
        ((150, 75, 999, 999), (0.75, 0.75, 1, 1)),
    ],
)
def test_pixels_become_fractions_and_are_clipped(pixels, box):
    assert astuple(box_from_pixels(*pixels, canvas=(200, 100))) == box


@pytest.mark.parametrize(
    "pixels",
    [
        (200, 0, 50, 50),
        (0, 100, 50, 50),
        (-50, 0, 50, 50),
        (0, -60, 50, 50),
        (10, 10, 0, 50),
        (10, 10, 50, 0),
    ],
)
def test_nothing_of_the_canvas(pixels):
    with pytest.raises(ValueError, match="covers nothing of the 200 × 100 canvas"):
        box_from_pixels(*pixels, canvas=(200, 100))


def covered(mask, target):
    """The share of white under each token, every pixel cut into target's rows and columns; exact."""
    fine = mask.repeat_interleave(target[0], 0).repeat_interleave(target[1], 1)
    return [part.mean() for row in fine.chunk(target[0], 0) for part in row.chunk(target[1], 1)]


@given(targets, st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 99))
def test_a_token_is_inside_a_mask_by_the_half_that_is_white(target, size, seed):
    mask = torch.rand(size, generator=torch.Generator().manual_seed(seed)).round(decimals=1).double()
    shares = covered(mask, target)
    assume(max(shares) > 0.5 and all(abs(share - 0.5) > 1e-4 for share in shares))
    allowed = inside_masks([None, mask], target)
    assert allowed.shape == (1, target[0] * target[1], 2) and allowed[..., 0].all()
    assert allowed[0, :, 1].tolist() == [bool(share > 0.5) for share in shares]


def test_a_small_mask_gets_the_token_it_fills_most():
    mask = torch.zeros(8, 8)
    mask[5, 2] = 1
    assert inside_masks([mask], (2, 2))[0, :, 0].tolist() == [False, False, True, False]
