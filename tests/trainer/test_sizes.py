"""Pictures of any size become such as FLUX can take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.diptych import diptych, single
from training.data.feed import Feed
from training.data.pair import BadRow, Pair
from training.data.sizes import Sizes

from .made import Made, flat

SIDES = st.integers(20, 400)


def pair(target, reference=(50, 40), kind="cat"):
    return Pair(
        flat((9, 9, 9), *reference), flat((5, 5, 5), *target), f"a {kind}", f"a {kind} on a sofa", kind
    )


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, SIDES, SIDES)
def test_every_side_is_whole_tokens_and_areas_are_alike(a, b, c, d, e, f):
    sizes = Sizes(target=96, reference=64)
    one, two = pair((a, b), (c, d)), pair((c, d), (e, f), "dog")
    left = sizes.pair(one)
    for example in map(sizes.example, (single(left), diptych(*sizes.halves(one, two)))):
        for picture in (example.target, *(r.image for r in example.references)):
            assert picture.dtype == np.uint8 and all(side and not side % 16 for side in picture.shape[:2])
        assert all(max(r.image.shape) == 64 for r in example.references)
    if 0.5 < a / b < 2:
        assert 0.6 * 96**2 < left.target.shape[0] * left.target.shape[1] < 1.5 * 96**2


@pytest.mark.parametrize(
    "left, right",
    [((512, 512), (512, 512)), ((768, 512), (512, 768)), ((288, 512), (512, 288)), ((512, 288), (512, 288))],
)
def test_a_diptych_has_twice_the_area_of_one(left, right):
    halves = Sizes(target=256, reference=64).halves(pair(left), pair(right, kind="dog"))
    heights, widths = zip(*(p.target.shape[:2] for p in halves))
    assert heights[0] == heights[1] and 0.9 < heights[0] * sum(widths) / (2 * 256**2) < 1.1
    for (h, w), width in zip((left, right), widths):
        assert abs(width - heights[0] * w / h) <= 16, "each keeps its proportions"
    example = Feed(Made(["cat", "dog"]), {"random": 1}, 0, sizes=Sizes(96, 64))[0]
    assert example.target.shape[:2] == (96, 192)


def test_what_fits_is_not_touched():
    fits = pair((96, 96), (64, 48))
    for sizes in (Sizes(96, 64), Sizes()):
        example = sizes.example(single(sizes.pair(fits)))
        assert example.target is fits.target and example.references[0].image is fits.reference


def test_a_size_that_does_not_fit_is_a_sentence():
    with pytest.raises(BadRow, match="its target is 90 × 96, and both sides must be .* of 16. Set pixels"):
        Sizes().example(single(pair((96, 90), (64, 64))))
    with pytest.raises(BadRow, match="its reference is 40 × 64"):
        Sizes().example(single(pair((96, 96), (64, 40))))
    with pytest.raises(ValueError, match="Skipped for a size that does not fit"):
        Feed(Made(["cat"] * 3), {"single": 1}, 0, sizes=Sizes())[0]
