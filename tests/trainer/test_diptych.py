"""The diptych builder: template, "another", targets side by side, and phrases that are found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import find_phrase
from training.data.diptych import diptych, single
from training.data.pair import BadRow, Pair
from training.data.words import letters, phrase_of

from .made import flat

RED, BLUE = (200, 0, 0), (0, 0, 200)


def pair(words="a cat", caption="a cat on a sofa", kind="cat", colour=RED, height=8, width=8):
    return Pair(flat(colour, 4, 4), flat(colour, height, width), words, caption, kind)


def said(example, k):
    """What the prompt says where reference k is named, and the letters before it."""
    reference = example.references[k]
    span = find_phrase(letters(example.prompt), reference.phrase, reference.occurrence)
    return example.prompt[span[0] : span[-1] + 1], example.prompt[: span[0]]


def test_a_single_pair_keeps_its_words():
    example = single(pair())
    assert example.prompt == "a cat on a sofa"
    (reference,) = example.references
    assert (reference.words, reference.phrase, reference.occurrence) == ("a cat", "cat", 0)
    assert (example.target == flat(RED, 8, 8)).all()


def test_the_papers_figure_2():
    left = pair("Scalp oil", "Scalp oil. In a city salon, this item stands.", "scalp oil")
    right = pair("Scalp oil", "Scalp oil. Placed on a ledge.", "scalp oil", BLUE)
    example = diptych(left, right)
    assert example.prompt == (
        "Two images concatenated side by side, the left part is: Scalp oil. In a city salon, this item "
        "stands, the right part is: another Scalp oil. Placed on a ledge."
    )
    assert [r.words for r in example.references] == ["Scalp oil", "another Scalp oil"]
    assert [r.phrase for r in example.references] == ["Scalp oil", "Scalp oil"]


@pytest.mark.parametrize(
    "words, caption, expected",
    [
        ("a cat", "at night, a cat", "at night, another cat"),
        ("an owl", "an owl at night", "another owl at night"),
        ("the cat", "The cat at night", "another cat at night"),
        ("cat", "cat at night", "another cat at night"),
        ("another cat", "another cat at night", "another cat at night"),
    ],
)
def test_the_second_of_one_kind_is_another(words, caption, expected):
    left = pair(words, caption, "same")
    example = diptych(left, pair(words, caption, "same"))
    assert example.prompt.endswith(f"the right part is: {expected}")
    assert f"the left part is: {caption}, the right" in example.prompt
    assert [r.words for r in example.references] == [words, f"another {phrase_of(words)}"]


def test_another_may_belong_to_the_phrase():
    left = pair("a cat", "a cat on a mat", "same")
    plain, whole = diptych(left, left), diptych(left, left, another_in_phrase=True)
    assert plain.prompt == whole.prompt and plain.references[0].phrase == whole.references[0].phrase == "cat"
    assert [plain.references[1].phrase, plain.references[1].occurrence] == ["cat", 1]
    assert [whole.references[1].phrase, whole.references[1].occurrence] == ["another cat", 0]


def test_different_kinds_are_left_as_they_are():
    example = diptych(pair(), pair("a dog", "a dog on a lawn", "dog"))
    assert "another" not in example.prompt and [r.words for r in example.references] == ["a cat", "a dog"]


def test_targets_stand_side_by_side_at_the_left_ones_height():
    example = diptych(pair(height=8, width=6), pair(kind="dog", colour=BLUE, height=16, width=20))
    assert example.target.shape == (8, 16, 3) and example.target.dtype == np.uint8
    assert (example.target[:, :6] == RED).all() and (example.target[:, 6:] == BLUE).all()


def test_a_phrase_that_the_left_caption_repeats_is_found_in_the_right_part():
    left = pair(caption="a cat. The cat sits next to a dog, and the cat sleeps")
    example = diptych(left, pair("a dog", "a big dog and a dog on a mat", "dog"))
    assert example.references[0].occurrence == 0
    word, before = said(example, 1)
    assert word == "dog" and before.endswith("the right part is: a big dog and a ")
    assert said(diptych(left, left), 1)[1].endswith("the right part is: another ")


def test_a_phrase_that_the_template_says_itself_is_found_in_its_own_part():
    example = diptych(
        pair("a part", "a part of a clock", "part"), pair("an image", "an image in a frame", "image")
    )
    assert said(example, 0)[1].endswith("the left part is: a ")
    assert said(example, 1)[1].endswith("the right part is: an ")


KIND = st.sampled_from(["cat", "dog", "robot dog", "part", "left"])
PIECE = st.sampled_from(
    ["a cat", "the cat", "a robot dog", "another dog", "part", "the left side", "on a mat"]
)


@given(
    st.tuples(KIND, KIND), st.tuples(*[st.lists(PIECE, max_size=3)] * 4), st.sampled_from(["a ", "the ", ""])
)
def test_every_phrase_is_found_where_it_was_put(kinds, around, article):
    pairs = []
    for kind, before, after in zip(kinds, around[:2], around[2:]):
        words = f"{article}{kind}"
        pairs.append(pair(words, ", ".join([*before, words, *after]), kind))
    example = diptych(*pairs)
    border = example.prompt.rindex("the right part is: ")
    for k, kind in enumerate(kinds):
        word, before = said(example, k)
        assert word == kind
        assert (len(before) > border) == (k == 1)
        if k == 1 and kinds[0] == kind:
            assert before.endswith("another ")


@pytest.mark.parametrize("build", [single, lambda p: diptych(p, pair()), lambda p: diptych(pair(), p)])
def test_a_phrase_that_the_caption_lost_is_a_sentence(build):
    lost = pair(caption="a feline, of the category of a catalogue")
    with pytest.raises(
        BadRow, match="does not say the words 'a cat'.*Write the words into the caption"
    ) as error:
        build(lost)
    assert error.value.reason == "phrase lost"
    assert "'a feline, of the category of a catalogue'" in str(error.value)
