"""Words: articles, "another", and where a caption says them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import find_phrase
from training.data.words import another, find_words, letters, occurrence, phrase_of, say_another


@pytest.mark.parametrize(
    "words, phrase",
    [
        ("a cat", "cat"),
        ("an owl", "owl"),
        ("the cat", "cat"),
        ("The Cat", "Cat"),
        ("another cat", "cat"),
        ("cat", "cat"),
        ("Nourishing scalp oil", "Nourishing scalp oil"),
        (" a  red cat ", "red cat"),
        ("theatre mask", "theatre mask"),
        ("a", "a"),
    ],
)
def test_an_article_is_not_of_the_phrase(words, phrase):
    assert phrase_of(words) == phrase
    assert another(words) == f"another {phrase}"


@pytest.mark.parametrize(
    "caption, words, expected",
    [
        ("a cat on a sofa", "a cat", "another cat on a sofa"),
        ("in the snow, an owl", "an owl", "in the snow, another owl"),
        ("The cat sleeps", "the cat", "another cat sleeps"),
        ("another cat", "another cat", "another cat"),
        ("Scalp oil. On a stone ledge", "Scalp oil", "another Scalp oil. On a stone ledge"),
        ('on a rug, "Eames" chair', '"Eames" chair', 'on a rug, another "Eames" chair'),
        ('a "fast" car', 'a "fast" car', 'another "fast" car'),
        ("a category, a cat and a cat", "a cat", "a category, another cat and a cat"),
    ],
)
def test_another_replaces_the_article_where_the_words_are_said(caption, words, expected):
    assert say_another(caption, words) == expected
    assert find_words(expected, another(words))


def test_words_may_be_an_emoji():
    assert say_another("🐱 on a sofa", "🐱") == "another 🐱 on a sofa"


def test_words_are_found_at_word_boundaries_and_in_any_case():
    assert find_words("a Category. A CAT!", "a cat") == (12, 16)
    with pytest.raises(ValueError, match="'cat'"):
        find_words("a category of bobcats", "cat")


WORD = st.sampled_from(["cat", "dog", "robot", "a", "the", "another"])
MARK = st.sampled_from([" ", ", ", ". ", "-"])


@given(st.lists(st.tuples(WORD, MARK), min_size=1, max_size=12), st.integers(0, 11))
def test_the_occurrence_is_what_find_phrase_counts(parts, which):
    text = "".join(word + mark for word, mark in parts)
    word, _ = parts[which % len(parts)]
    last = len("".join(w + m for w, m in parts[: which % len(parts)])) + len(word) - 1
    number = occurrence(text, word, last)
    assert number == [w for w, _ in parts[: which % len(parts)]].count(word)
    assert find_phrase(letters(text), word, number)[-1] == last
