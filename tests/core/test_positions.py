"""Ids of the references, by hand. Ids are (plane, row, column)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import POSITIONS, reference_ids

ROWS, COLUMNS = 4, 6  # of the target


def picture(rows, columns, start=(0, 0, 0), step=1):
    """Ids of rows × columns tokens: [1,rows·columns,3]."""
    plane, top, left = start
    ids = [[plane, top + step * r, left + step * c] for r in range(rows) for c in range(columns)]
    return torch.tensor([ids], dtype=torch.float32)


TARGET = picture(ROWS, COLUMNS)


def placed(positions, *sizes, target=TARGET):
    return reference_ids(target, [picture(*size) for size in sizes], positions)


def test_diagonal_starts_where_the_target_ends():
    (ids,) = placed("diagonal", (2, 3))
    rows_and_columns = [[4, 6], [4, 7], [4, 8], [5, 6], [5, 7], [5, 8]]
    assert ids.tolist() == [[[0, *at] for at in rows_and_columns]]


def test_diagonal_goes_on_from_reference_to_reference():
    first, second, third = placed("diagonal", (2, 3), (3, 1), (1, 2))
    assert torch.equal(first, picture(2, 3, (0, 4, 6)))
    assert torch.equal(second, picture(3, 1, (0, 6, 9)))
    assert torch.equal(third, picture(1, 2, (0, 9, 10)))


def test_column_ends_left_of_the_target():
    (ids,) = placed("column", (2, 3))
    rows_and_columns = [[0, -3], [0, -2], [0, -1], [1, -3], [1, -2], [1, -1]]
    assert ids.tolist() == [[[0, *at] for at in rows_and_columns]]


def test_column_goes_further_left():
    first, second, third = placed("column", (2, 3), (3, 1), (1, 2))
    assert torch.equal(first, picture(2, 3, (0, 0, -3)))
    assert torch.equal(second, picture(3, 1, (0, 0, -4)))
    assert torch.equal(third, picture(1, 2, (0, 0, -6)))


def test_index_counts_planes():
    first, second, third = placed("index", (2, 3), (3, 1), (1, 2))
    assert torch.equal(first, picture(2, 3, (1, 0, 0)))
    assert torch.equal(second, picture(3, 1, (2, 0, 0)))
    assert torch.equal(third, picture(1, 2, (3, 0, 0)))


def test_offset_grows_into_a_square():
    """The next lies beside what is there where its rows reach further than its columns, else below."""
    ids = placed("offset", (2, 3), (3, 1), (1, 2), (2, 2))
    starts = [(1, 0, 0), (1, 0, 3), (1, 3, 0), (1, 4, 0)]
    for one, size, start in zip(ids, [(2, 3), (3, 1), (1, 2), (2, 2)], starts):
        assert torch.equal(one, picture(*size, start)), start


@pytest.mark.parametrize(
    "positions, starts",
    [
        ("diagonal", [(7, 14, 26), (7, 16, 29)]),
        ("column", [(7, 10, 17), (7, 10, 16)]),
        ("index", [(8, 10, 20), (9, 10, 20)]),
        ("offset", [(8, 10, 20), (8, 10, 23)]),
    ],
)
def test_everything_is_relative_to_the_target(positions, starts):
    target = picture(ROWS, COLUMNS, (7, 10, 20))
    first, second = placed(positions, (2, 3), (3, 1), target=target)
    assert torch.equal(first, picture(2, 3, starts[0]))
    assert torch.equal(second, picture(3, 1, starts[1]))


@pytest.mark.parametrize("positions", POSITIONS)
def test_where_the_reference_was_does_not_count(positions):
    away = reference_ids(TARGET, [picture(2, 3, (5, 40, 50)), picture(3, 1, (6, -8, 9))], positions)
    here = placed(positions, (2, 3), (3, 1))
    assert all(torch.equal(a, b) for a, b in zip(away, here))


@pytest.mark.parametrize(
    "positions, starts",
    [
        ("diagonal", [(0, 4, 6), (0, 7, 11)]),
        ("column", [(0, 0, -5), (0, 0, -8)]),
        ("index", [(1, 0, 0), (2, 0, 0)]),
        ("offset", [(1, 0, 0), (1, 3, 0)]),
    ],
)
def test_spacing_is_kept(positions, starts):
    """Every second row and column: 2 × 3 tokens cover 3 × 5 places."""
    references = [picture(2, 3, step=2), picture(2, 2, step=2)]
    first, second = reference_ids(TARGET, references, positions)
    assert torch.equal(first, picture(2, 3, starts[0], step=2))
    assert torch.equal(second, picture(2, 2, starts[1], step=2))


def test_spacing_of_the_target_counts():
    target = picture(ROWS, COLUMNS, step=2)
    (ids,) = placed("diagonal", (1, 1), target=target)
    assert ids.tolist() == [[[0, 7, 11]]]


@given(st.sampled_from(POSITIONS), st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=5))
def test_no_two_tokens_share_a_place(positions, sizes):
    everything = torch.cat([TARGET, *placed(positions, *sizes)], 1)[0].tolist()
    assert len({tuple(ids) for ids in everything}) == len(everything)


@pytest.mark.parametrize("positions", POSITIONS)
def test_samples_are_placed_alike(positions):
    references = [picture(2, 3), picture(3, 1)]
    alone = reference_ids(TARGET, references, positions)
    batch = reference_ids(TARGET.repeat(2, 1, 1), [r.repeat(2, 1, 1) for r in references], positions)
    assert all(torch.equal(b, a.repeat(2, 1, 1)) for a, b in zip(alone, batch))


@pytest.mark.parametrize("positions", POSITIONS)
def test_inputs_stay_as_they_are(positions):
    target, references = TARGET.clone(), [picture(2, 3, (1, 2, 3)), picture(3, 1)]
    before = [r.clone() for r in references]
    reference_ids(target, references, positions)
    assert torch.equal(target, TARGET)
    assert all(torch.equal(a, b) for a, b in zip(references, before))


@pytest.mark.parametrize("positions", POSITIONS)
def test_without_references(positions):
    assert reference_ids(TARGET, [], positions) == []


@pytest.mark.parametrize("positions", ["", "Diagonal", "row"])
def test_unknown_positions(positions):
    with pytest.raises(ValueError, match=f"diagonal, column, index, offset; found '{positions}'"):
        placed(positions, (1, 1))


SIZES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=6)


@given(SIZES, st.sampled_from(POSITIONS), st.integers(1, 7))
def test_places_are_taken_in_turn(sizes, positions, places):
    references = [picture(*size) for size in sizes]
    own = reference_ids(TARGET, references, positions)
    turns = reference_ids(TARGET, references, positions, places)
    for k, (ids, size) in enumerate(zip(turns, sizes)):
        assert torch.equal(ids - ids[:, :1], picture(*size)), "its shape is its own"
        corner = own[k % places] if positions != "column" else own[k % places][:, -1:]
        if k < places:
            assert torch.equal(ids, own[k])
        elif positions == "column":  # the right edge is the place's
            assert torch.equal(ids[..., 2].amax(), corner[..., 2].amax())
        else:
            assert torch.equal(ids[:, 0], corner[:, 0])


def test_no_fewer_than_no_places():
    with pytest.raises(ValueError, match="found -1"):
        reference_ids(TARGET, [picture(1, 1)], "index", -1)


def test_planes_apart_and_a_fourth_axis():
    """As FLUX.2: planes ten apart, and an axis of words that references leave alone."""

    def with_words(ids):
        return torch.nn.functional.pad(ids, (0, 1))

    target, references = with_words(TARGET), [with_words(picture(2, 3)), with_words(picture(3, 1))]
    first, second = reference_ids(target, references, "index", planes=10)
    assert torch.equal(first, with_words(picture(2, 3, (10, 0, 0))))
    assert torch.equal(second, with_words(picture(3, 1, (20, 0, 0))))
    for positions in POSITIONS:
        three = reference_ids(TARGET, [picture(2, 3), picture(3, 1)], positions)
        four = reference_ids(target, references, positions)
        assert all(torch.equal(with_words(a), b) for a, b in zip(three, four))
