"""One span per subject: longest phrases first, none overlapping, repeated phrases in order."""

import pytest

from musar_attention import find_phrases
from musar_attention.phrases import PhraseNotFound


def spans(pieces, *phrases):
    return find_phrases(pieces.split(), phrases)


def test_each_subject_gets_its_own():
    assert spans("▁a ▁red ▁dog ▁and ▁a ▁cat", "cat", "red dog") == ((5,), (1, 2))


def test_the_kth_subject_takes_the_kth_occurrence():
    pieces = "▁a ▁dog , ▁another ▁Dog ▁and ▁a ▁dog"
    assert spans(pieces, "dog", "dog", "dog") == ((1,), (4,), (7,))
    assert spans(pieces, "dog", "DOG") == ((1,), (4,))


def test_the_longest_choose_first():
    pieces = "▁a ▁robot ▁dog ▁and ▁a ▁dog"
    assert spans(pieces, "dog", "robot dog") == ((5,), (1, 2))
    assert spans(pieces, "robot dog", "dog") == ((1, 2), (5,))
    assert spans(pieces, "dog") == ((2,),)  # nobody asks for the robot dog


def test_words_count_before_letters():
    pieces = "▁a ▁b ▁c ▁elephant ▁and ▁c ▁elephant"
    assert spans(pieces, "c elephant", "a b c") == ((5, 6), (0, 1, 2))


def test_of_as_many_words_the_longer_chooses_first():
    assert spans("▁old ▁dog ▁house ▁dog ▁x", "dog x", "dog house") == ((3, 4), (1, 2))
    assert spans("▁a ▁b ▁ccc ▁a ▁b", "a b", "b ccc") == ((3, 4), (1, 2))


def test_mixed_repeats():
    pieces = "▁dog ▁robot ▁dog ▁dog ▁robot ▁dog ▁robot"
    found = spans(pieces, "dog", "robot dog", "robot", "dog", "Robot dog")
    assert found == ((0,), (1, 2), (6,), (3,), (4, 5))


def test_no_subjects():
    assert spans("▁a ▁dog") == ()


@pytest.mark.parametrize(
    "phrases, index, message",
    [
        (
            ["dog", "cow"],
            1,
            "'cow' is needed in the prompt, but the prompt does not contain it: 'a robot dog'",
        ),
        (
            ["dog", "dog"],
            1,
            "'dog' is needed 2 times in the prompt, but the prompt contains it once: 'a robot dog'",
        ),
        (["dog", "robot dog"], 0, "once: 'a robot dog'. Every occurrence is part of another"),
        (["robot", "robot", "dog", "dog"], 1, "'robot' is needed 2 times .* once: 'a robot dog'"),
        (["dog", "?"], 1, r"'\?' has no letter or digit"),
    ],
)
def test_too_few(phrases, index, message):
    with pytest.raises(PhraseNotFound, match=message) as error:
        spans("▁a ▁robot ▁dog", *phrases)
    assert isinstance(error.value, ValueError)
    assert error.value.index == index


def test_a_repeated_word_is_found_behind_what_is_taken():
    pieces = ["▁a", "▁x", "▁dog", "▁dog", "▁dog"]
    assert find_phrases(pieces, ["a x dog", "dog dog"]) == ((0, 1, 2), (3, 4))


def test_one_piece_never_names_two_subjects():
    with pytest.raises(ValueError, match="part of another subject's phrase"):
        find_phrases(["▁dog-cat"], ["dog", "cat"])


def test_several_phrases_all_call_one_subject():
    pieces = "▁a ▁robot ▁and ▁a ▁cat . ▁it ▁waves , ▁the ▁machine"
    assert spans(pieces, ["robot", "it", "machine"], "cat") == ((1, 6, 10), (4,))
    assert spans(pieces, ["tin man", "machine"]) == ((10,),), "what the prompt lacks is left out"
    assert spans("▁it ▁and ▁it", ["it"], ["it"]) == ((0,), (2,))
    assert spans("▁it ▁and ▁it", ["it", "it"]) == ((0, 2),)


def test_one_of_several_phrases_is_needed():
    with pytest.raises(PhraseNotFound, match="The phrase 'man' is needed in the prompt") as error:
        spans("▁a ▁cat", "cat", ["man", "robot"])
    assert error.value.index == 1
