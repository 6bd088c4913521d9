import pytest
from hypothesis import given

from musar_attention import SubjectTokens, TokenLayout

from .cases import layouts


def parts(layout):
    """Every slice in the order the sequence has them."""
    subjects = range(layout.count)
    return [
        layout.T,
        *(layout.CT(i) for i in subjects),
        layout.X,
        *(layout.CI(i) for i in subjects),
        layout.extra_slice,
    ]


@given(layouts())
def test_slices_cover_the_sequence_once_and_in_order(layout):
    tokens = [token for part in parts(layout) for token in range(part.start, part.stop)]
    assert tokens == list(range(layout.length))


@given(layouts())
def test_slices_have_the_sizes_asked_for(layout):
    rows, columns = layout.target
    sizes = [layout.prompt, *(s.text for s in layout.subjects), rows * columns]
    sizes += [sum(h * w for h, w in (s.image, *s.more)) for s in layout.subjects] + [layout.extra]
    assert [part.stop - part.start for part in parts(layout)] == sizes
    assert layout.length == sum(sizes)
    assert layout.text_length == layout.X.start == sum(sizes[: 1 + layout.count])
    assert layout.target_length == rows * columns
    assert layout.count == len(layout.subjects)


@given(layouts())
def test_views_cut_each_reference_in_order(layout):
    cut = layout.views()
    for i, subject in enumerate(layout.subjects):
        own, cut = cut[: len(subject.views)], cut[len(subject.views) :]
        assert [s.stop - s.start for s in own] == [h * w for h, w in subject.views]
        tokens = [token for part in own for token in range(part.start, part.stop)]
        assert tokens == list(range(layout.CI(i).start, layout.CI(i).stop))
    assert not cut


def test_example_of_the_design():
    layout = TokenLayout(
        prompt=20,
        target=(16, 16),
        subjects=(
            SubjectTokens(image=(8, 8), phrase=(2, 3), text=6),
            SubjectTokens(image=(8, 6), phrase=(7, 8, 9)),
        ),
    )
    assert (layout.T, layout.CT(0), layout.CT(1)) == (slice(0, 20), slice(20, 26), slice(26, 26))
    assert (layout.X, layout.CI(0), layout.CI(1)) == (slice(26, 282), slice(282, 346), slice(346, 394))
    assert (layout.extra_slice, layout.length, layout.text_length) == (slice(394, 394), 394, 26)


def test_without_subjects():
    layout = TokenLayout(prompt=2, target=(1, 3), extra=4)
    assert (layout.T, layout.X, layout.extra_slice) == (slice(0, 2), slice(2, 5), slice(5, 9))
    assert (layout.count, layout.text_length, layout.length) == (0, 2, 9)


@pytest.mark.parametrize("index", [-1, 4, 7])
def test_phrase_outside_the_prompt(index):
    subjects = SubjectTokens((1, 1), (0,)), SubjectTokens((1, 1), (3, index))
    with pytest.raises(ValueError, match=rf"phrase of subject 2 .*{index}.* has 4 tokens"):
        TokenLayout(4, (1, 1), subjects)


@pytest.mark.parametrize("area", [(0, 4), (4, 0), (-1, 4), (4, -1)])
def test_areas_below_one_token(area):
    with pytest.raises(ValueError, match="reference"):
        SubjectTokens(area, (0,))
    with pytest.raises(ValueError, match="target"):
        TokenLayout(1, area)


@pytest.mark.parametrize("prompt", [0, -1])
def test_prompt_below_one_token(prompt):
    with pytest.raises(ValueError, match="prompt"):
        TokenLayout(prompt, (1, 1))


def test_negative_sizes():
    with pytest.raises(ValueError, match="condition prompt"):
        SubjectTokens((1, 1), (0,), text=-1)
    with pytest.raises(ValueError, match="extra"):
        TokenLayout(1, (1, 1), extra=-1)
