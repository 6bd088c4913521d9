"""Where the two pictures of a composite lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.composite import cells
from training.data.pair import BadRow


@pytest.mark.parametrize(
    "size, left, right",
    [
        ((1040, 528), (8, 8, 520, 520), (528, 8, 1040, 520)),
        ((1040, 520), (8, 8, 520, 520), (528, 8, 1040, 520)),
        ((1048, 528), (8, 8, 520, 520), (528, 8, 1040, 520)),
        ((1056, 528), (8, 8, 520, 520), (536, 8, 1048, 520)),
        ((2080, 1040), (8, 8, 1032, 1032), (1048, 8, 2072, 1032)),
    ],
)
def test_cells_follow_from_the_real_width(size, left, right):
    assert cells(*size) == (left, right)


@pytest.mark.parametrize(
    "size", [(1024, 512), (528, 528), (1056, 1056), (1056, 500), (900, 528), (16, 16), (1, 1)]
)
def test_what_is_not_two_squares_is_a_sentence(size):
    with pytest.raises(
        BadRow, match=f"composite is {size[0]}×{size[1]}, which is not two squares side by side"
    ):
        cells(*size)


@given(st.integers(1, 2200), st.integers(1, 1100))
def test_cells_are_equal_squares_inside_that_do_not_touch(width, height):
    try:
        left, right = cells(width, height)
    except BadRow:
        return
    for box in (left, right):
        assert box[2] - box[0] == box[3] - box[1] == left[2] - left[0] >= 64
        assert 0 <= box[0] and box[2] <= width and 0 <= box[1] and box[3] <= height
    assert left[2] < right[0]
