"""AnyMS' attention against the paper's own words: crop the queries on the grid, attend, write over."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from anyms_attention import MERGES, add_image, image_attention, on_top, rows_of, stacked
from musar_attention import Box, inside_boxes

from .cases import SEEDS, distance, random

attend = F.scaled_dot_product_attention
edges = st.integers(0, 12).map(lambda e: e / 12)


@st.composite
def box(draw):
    left, right = sorted([draw(edges), draw(edges)])
    top, bottom = sorted([draw(edges), draw(edges)])
    assume(left < right and top < bottom)
    return Box(left, top, right, bottom)


@st.composite
def cases(draw):
    """target, boxes, priorities, q, keys, values"""
    target = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    boxes = draw(st.lists(box(), min_size=1, max_size=6))
    priorities = [draw(st.integers(0, 2)) for _ in boxes]
    seed, batch, heads, depth = draw(SEEDS), draw(st.integers(1, 2)), draw(st.integers(1, 2)), 4
    q = random(seed, batch, heads, target[0] * target[1], depth)
    sizes = [draw(st.integers(1, 5)) for _ in boxes]
    keys = [random(seed + 1 + k, batch, heads, t, depth) for k, t in enumerate(sizes)]
    values = [random(seed + 99 + k, batch, heads, t, depth) for k, t in enumerate(sizes)]
    return target, boxes, priorities, q, keys, values


def areas(boxes):
    return [(b.right - b.left) * (b.bottom - b.top) for b in boxes]


def spans(box, target):
    """Rows and columns of a box on the grid, by the tokens' centres; its middle where it holds none."""
    out = []
    for low, high, count in ((box.top, box.bottom, target[0]), (box.left, box.right, target[1])):
        held = [i for i in range(count) if low <= (i + 0.5) / count < high]
        middle = min(count - 1, int((low + high) / 2 * count))
        out.append(slice(held[0], held[-1] + 1) if held else slice(middle, middle + 1))
    return out


def crop_and_merge(case, start):
    """The slow one: every box's crop attends whole, from the lowest to the highest, and writes over."""
    target, boxes, priorities, q, keys, values = case
    grid, z = q.unflatten(2, target), start.unflatten(2, target).clone()
    for k in sorted(range(len(boxes)), key=lambda k: (priorities[k], -areas(boxes)[k], k)):
        down, across = spans(boxes[k], target)
        crop = grid[:, :, down, across]
        scores = torch.einsum("bhrcd,bhtd->bhrct", crop, keys[k]) * q.shape[-1] ** -0.5
        z[:, :, down, across] = torch.einsum("bhrct,bhtd->bhrcd", scores.softmax(-1), values[k])
    return z.flatten(2, 3)


def fast(case, merge="crop", background="zero"):
    target, boxes, priorities, q, keys, values = case
    inside = inside_boxes(boxes, target)[0]
    rows = rows_of(inside, stacked(areas(boxes), priorities), merge)
    return image_attention(q, keys, values, rows, attend, background)


def masked(case):
    """[c,B,H,n,D]: each subject's attention of all rows, and what its box leaves of it."""
    target, boxes, _, q, keys, values = case
    inside = inside_boxes(boxes, target)[0].T[:, None, None, :, None]  # n c -> c 1 1 n 1
    return torch.stack([attend(q, k, v) for k, v in zip(keys, values)]) * inside


@given(cases())
def test_crop_and_merge(case):
    q = case[3]
    assert distance(fast(case), crop_and_merge(case, torch.zeros_like(q))) <= 2e-6


@given(cases())
def test_a_background_of_queries(case):
    q = case[3]
    assert distance(fast(case, background="query"), crop_and_merge(case, q)) <= 2e-6


@given(cases())
def test_where_boxes_do_not_overlap_it_is_box_masked_attention(case):
    alone = inside_boxes(case[1], case[0])[0].sum(-1) <= 1
    assume(alone.any())
    both = fast(case), masked(case).sum(0)
    assert distance(*(z[:, :, alone] for z in both)) <= 2e-6


@given(cases())
def test_where_boxes_overlap_the_top_one_writes_over(case):
    target, boxes, priorities, *_ = case
    inside = inside_boxes(boxes, target)[0]
    z, each = fast(case), masked(case)
    for token in (inside.sum(-1) > 1).nonzero().flatten().tolist():
        held = [k for k in range(len(boxes)) if inside[token, k]]
        best = max(priorities[k] for k in held)
        small = min(areas(boxes)[k] for k in held if priorities[k] == best)
        top = max(k for k in held if priorities[k] == best and areas(boxes)[k] == small)
        assert distance(z[:, :, token], each[top][:, :, token]) <= 2e-6


@given(cases())
def test_summed_masks(case):
    assert distance(fast(case, "sum"), masked(case).sum(0)) <= 5e-6


@given(cases())
def test_undecoupled(case):
    q, keys, values = case[3:]
    whole = attend(q, torch.cat(keys, 2), torch.cat(values, 2))
    assert distance(fast(case, "joint"), whole) <= 2e-6


@given(cases(), st.sampled_from(MERGES))
def test_weight_nought_is_the_text_alone(case, merge):
    text = random(7, *case[3].shape)
    assert torch.equal(add_image(text, fast(case, merge), 0.0), text)
    assert not torch.equal(add_image(text, fast(case, merge), 0.5), text)


def test_queries_of_the_background_are_not_written_to():
    case = (2, 2), [Box(0, 0, 0.5, 0.5)], [0], random(1, 1, 1, 4, 4), [random(2, 1, 1, 3, 4)] * 1, None
    case = (*case[:5], [random(3, 1, 1, 3, 4)])
    before = case[3].clone()
    z = fast(case, background="query")
    assert torch.equal(case[3], before) and torch.equal(z[:, :, 1:], before[:, :, 1:])
    assert torch.equal(fast(case)[:, :, 1:], torch.zeros(1, 1, 3, 4))


@pytest.mark.parametrize(
    "sizes, priorities, order",
    [
        ([1, 2, 3], [0, 0, 0], [2, 1, 0]),
        ([1, 1, 1], [0, 0, 0], [0, 1, 2]),
        ([1, 2, 3], [-1, 0, 5], [0, 1, 2]),
        ([2, 1, 2], [1, 0, 1], [1, 0, 2]),
        ([], [], []),
    ],
)
def test_priority_then_the_smaller_then_the_later(sizes, priorities, order):
    assert stacked(sizes, priorities) == order


def test_a_subject_hidden_altogether_has_no_rows():
    inside = inside_boxes([Box(0, 0, 1, 1), Box(0, 0, 1, 1)], (2, 2))[0]
    assert on_top(inside, [0, 1]).tolist() == [1, 1, 1, 1]
    assert [len(rows) for rows in rows_of(inside, [0, 1])] == [0, 4]
    z = image_attention(
        random(1, 1, 1, 4, 4),
        [random(k, 1, 1, 2, 4) for k in (2, 3)],
        [random(k, 1, 1, 2, 4) for k in (4, 5)],
        rows_of(inside, [0, 1]),
        attend,
    )
    assert z.abs().min() > 0
