"""Phrases found in pieces, as a SentencePiece tokenizer gives them."""

import pytest

from musar_attention import find_phrase, find_phrases


def tokens(text):
    return text.split()


ROBOT = tokens('▁A ▁" Robot - dog ", ▁and ▁a ▁red ▁cat . </s> <pad> <pad>')


@pytest.mark.parametrize(
    "pieces, phrase, expected",
    [
        ("▁a ▁dog", "dog", (1,)),
        ("▁a ▁Dog", "dOG", (1,)),
        ("▁a ▁red ▁dog ▁runs", "red dog", (1, 2)),
        ("▁a ▁red ▁dog ▁runs", "  red   dog ", (1, 2)),
        ("▁a ▁robot - dog", "robot-dog", (1, 2, 3)),
        ("▁a ▁robot - dog", "Robot - Dog", (1, 2, 3)),
        ("▁a ▁robot - dog", "robot-", (1,)),
        ("▁a ▁rob o t - do g , ▁too", "robot-dog", (1, 2, 3, 4, 5, 6)),
        ("▁a ▁dog , ▁a ▁cat", "dog", (1,)),
        ("▁a ▁dog , ▁a ▁cat", "dog,", (1,)),
        ("▁a ▁dog, ▁a ▁cat", "dog", (1,)),
        ('▁a ▁" dog "', "dog", (2,)),
        ('▁a ▁"dog" ▁runs', '"dog"', (1,)),
        ("▁a ▁dog ▁runs", "“dog”", (1,)),
        ("▁big , ▁bad ▁wolf", "big, bad wolf", (0, 1, 2, 3)),
        ("▁the ▁dog ' s ▁bone", "dog's bone", (1, 2, 3, 4)),
        ("▁the ▁dog ' s ▁bone", "dog", (1,)),
        ("▁a ▁Dr . ▁Dog", "dr. dog", (1, 2, 3)),
        ("▁bull dog ▁dog s ▁dog", "dog", (4,)),
        ("▁ dog ▁ ▁cat", "dog", (1,)),
        ("▁ dog ▁ ▁cat", "dog cat", (1, 3)),
        ("▁dog </s> <pad> <pad>", "dog", (0,)),
        ("▁snake _ case", "snake_case", (0, 1, 2)),
        ("▁R 2- D 2", "R2-D2", (0, 1, 2, 3)),
        ("▁caf é", "CAFÉ", (0, 1)),
        ("▁Café", "cafe\u0301", (0,)),
        ("▁dog", "ｄｏｇ", (0,)),
        ("▁Ｄ ＯＧ", "dog", (0, 1)),
        ("▁Stra ße", "STRASSE", (0, 1)),
        ("▁小狗", "小狗", (0,)),
    ],
)
def test_found(pieces, phrase, expected):
    assert find_phrase(tokens(pieces), phrase) == expected


@pytest.mark.parametrize("phrase", ["robot-dog", "ROBOT-DOG", '"robot-dog"', "robot-dog,"])
def test_capitals_quotes_and_commas_do_no_harm(phrase):
    assert find_phrase(ROBOT, phrase) == (2, 3, 4)


def test_occurrences():
    pieces = tokens("▁a ▁dog ▁and ▁another ▁Dog , ▁dog s")
    assert [find_phrase(pieces, "dog", k) for k in (0, 1)] == [(1,), (4,)]
    with pytest.raises(
        ValueError, match=r"'dog' is needed 3 times .* 2 times: 'a dog and another Dog, dogs'"
    ):
        find_phrase(pieces, "dog", 2)


def test_occurrences_do_not_overlap():
    pieces = tokens("▁dog ▁dog ▁dog ▁dog")
    assert [find_phrase(pieces, "dog dog", k) for k in (0, 1)] == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    "phrase", ["dog", "robot dog", "cat robot", "and a red cat", "obot", "a-cat", "red cat eye"]
)
def test_missing(phrase):
    pieces = tokens("▁a ▁robot - cat ▁and ▁a ▁bull dog ▁and ▁dog s ▁red ▁cat")
    prompt = "a robot-cat and a bulldog and dogs red cat"
    with pytest.raises(ValueError, match=f"'{phrase}' is needed in .* does not contain it: '{prompt}'"):
        find_phrase(pieces, phrase)


def test_negative_occurrence():
    with pytest.raises(ValueError, match="counted from 0; found -1"):
        find_phrase(ROBOT, "red cat", -1)


@pytest.mark.parametrize("phrase", ["", "  ", ",", "...", '"-"', "_", "▁"])
def test_a_phrase_without_letters(phrase):
    with pytest.raises(ValueError, match="no letter or digit"):
        find_phrase(ROBOT, phrase)
    with pytest.raises(ValueError, match="no letter or digit"):
        find_phrases(ROBOT, ["cat", phrase])


@pytest.mark.parametrize("piece", ["</s>", "<pad>", "<embedding>", "<extra_id_0>"])
def test_special_pieces_are_no_text(piece):
    """They are not found, they do not count, and they end a word."""
    pieces = ["▁dog", piece, "house", "▁cat", piece]
    assert find_phrase(pieces, "dog") == (0,)
    assert find_phrase(pieces, "dog house") == (0, 2)
    assert find_phrase(pieces, "cat") == (3,)
    for phrase in ("doghouse", piece):
        with pytest.raises(ValueError, match="does not contain it: 'dog house cat'"):
            find_phrase(pieces, phrase)


def test_an_unknown_letter_is_a_letter():
    """T5 has no ñ: the phrase's own pieces say so too, and the two match."""
    pieces = ["▁a", "▁jala", "pe", "<unk>", "o", "▁dog", "<unk>"]
    assert find_phrase(pieces, "jalape\ufffdo") == (1, 2, 3, 4)
    for phrase in ("jalape", "jalapeo", "dog"):
        with pytest.raises(ValueError, match="does not contain it"):
            find_phrase(pieces, phrase)
    with pytest.raises(ValueError, match="no letter or digit"):
        find_phrase(pieces, "\ufffd")


@pytest.mark.parametrize(
    "pieces, phrase",
    (
        ("▁the ▁dog ’ s ▁bowl", "dog's bowl"),
        ("▁the ▁dog ' s ▁bowl", "dog’s bowl"),
        ("▁a ▁robot – dog", "robot-dog"),
        ("▁a ▁robot - dog", "robot—dog"),
    ),
)
def test_typographic_quotes_and_dashes(pieces, phrase):
    assert len(find_phrase(tokens(pieces), phrase)) >= 3


def test_text_in_angle_brackets_is_text():
    assert find_phrase(tokens("▁a ▁ < pad >"), "pad") == (3,)


def test_no_pieces():
    with pytest.raises(ValueError, match="'dog'.*does not contain it: ''"):
        find_phrase([], "dog")
