"""Pieces of a byte-level tokenizer: a letter belongs to every piece that holds some of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musar_attention import find_phrase, find_phrases
from musar_attention.phrases import text_of

WORDS = [
    "dog",
    "Dog",
    "狗",
    "机器人",
    "🤖",
    "é",
    "cafe\u0301",
    "straße",
    "a",
    "ロボット",
    "หมา",
    ",",
    " ",
    " ",
    " ",
]


def cut(text, places):
    raw = text.encode()
    edges = [0, *sorted({place % len(raw) for place in places} - {0}), len(raw)]
    return [raw[a:b] for a, b in zip(edges, edges[1:])]


@given(st.lists(st.sampled_from(WORDS), max_size=6), st.lists(st.sampled_from(WORDS), max_size=6), st.data())
@settings(max_examples=300)
def test_however_the_bytes_are_cut(before, after, data):
    phrase = data.draw(st.sampled_from(["robot dog", "龘龘", "🦄", "zweihänder", "ネコ", "แมว"]))
    start = "".join(before) + " "
    text = f"{start}{phrase} {''.join(after)}"
    pieces = cut(text, data.draw(st.lists(st.integers(1, 99))))
    begin, place, expected = len(start.encode()), 0, []
    for i, piece in enumerate(pieces):
        own = text.encode()[max(place, begin) : min(place + len(piece), begin + len(phrase.encode()))]
        if own.strip():  # a blank alone is no letter
            expected.append(i)
        place += len(piece)
    assert text_of(pieces) == text
    assert find_phrase(pieces, phrase) == tuple(expected)


def test_without_spaces_any_row_of_letters_is_found():
    pieces = ["一只", "机器", "狗和", "狗在", "海滩上"]
    assert find_phrases(pieces, ["狗", "机器狗"]) == ((3,), (1, 2))
    with pytest.raises(ValueError, match="'猫' is needed in the prompt, but the prompt does not contain it"):
        find_phrase(pieces, "猫")


def test_bytes_that_are_no_letter():
    pieces = [b"a ", b"\xe7\x8b", b" dog", "<pad>"]
    assert find_phrase(pieces, "dog") == (2,)
    assert text_of(pieces) == "a \ufffd\ufffd dog "


def test_text_and_bytes_side_by_side():
    assert find_phrase(["<no text>", b"a ro", b"bot", "<no text>", b" dog"], "robot dog") == (1, 2, 4)


@pytest.mark.parametrize(
    "prompt, phrases, pieces",
    [
        ("หมูและหมี", ["หมี", "หมู"], ["หมี", "หมู"]),  # pig and bear
        ("एक लड़की और एक लड़का", ["लड़का", "लड़की"], ["लड़का", "लड़की"]),  # a girl and a boy
        ("कुत्ताघर में कुत्ता", ["कुत्ता"], ["कुत्ता"]),  # a dog in the kennel
        ("שָׁלוֹם כֶּלֶב", ["כֶּלֶב"], ["כֶּלֶב"]),
    ],
)
def test_a_vowel_sign_tells_words_apart(prompt, phrases, pieces):
    letters = [letter.encode() for letter in prompt]
    for span, piece in zip(find_phrases(letters, phrases), pieces):
        assert b"".join(letters[i] for i in span).decode() == piece
        assert prompt.rindex(piece) == span[0]


def test_another_vowel_sign_is_another_word():
    with pytest.raises(ValueError, match="does not contain it"):
        find_phrase(["एक लड़की"], "लड़का")
    assert find_phrase(["❤️", " and ", "❤"], "❤") == find_phrase(["❤", " and ", "❤"], "❤️") == (0,)
