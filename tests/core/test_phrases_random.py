"""find_phrase against a matcher that knows letters and blanks, but no words."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musar_attention import find_phrase, find_phrases

WORDS = ["a", "dog", "Dog", "dogs", "robot", "ROBOT", "bulldog", "Café", "ＤＯＧ", "straße", "r2", "2"]
MARKS = [",", "-", "'", '"', "_", ".", "“"]
SPECIAL = ["</s>", "<pad>"]


@st.composite
def prompts(draw, phrases):
    """Pieces and phrases: pieces are words and marks with and without blanks between, words cut
    anywhere; phrases are a few neighbours of the prompt, seldom something else."""
    count = draw(st.integers(1, 14))
    prompt = [draw(st.sampled_from(WORDS * 3 + MARKS + SPECIAL)) for _ in range(count)]
    pieces = []
    for word in prompt:
        start = "" if word in SPECIAL else draw(st.sampled_from(["▁", "▁", "▁", "", "▁▁"]))
        cut = 0 if word in SPECIAL else draw(st.integers(0, len(word) - 1))
        pieces += [start + word[:cut], word[cut:]] if cut else [start + word]
    chosen = []
    starts = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=phrases, unique=True))
    for first in starts:
        stop = min([first + draw(st.integers(1, 3)), *(s for s in starts if s > first)])
        near = [word for word in prompt[first:stop] if word not in SPECIAL]
        far = draw(st.lists(st.sampled_from(WORDS + MARKS), min_size=1, max_size=3))
        words = far if draw(st.integers(0, 9)) == 9 else near
        chosen.append(draw(st.sampled_from([str.upper, str]))(" ".join(words)))
    return pieces, chosen


def folded(char):
    return unicodedata.normalize("NFKC", char).casefold()


def marked(chars):
    """(letter, piece) pairs with one blank between words, around every mark, and at both ends."""
    spaced = [(" ", None)]
    for char, piece in chars:
        blank = (" ", None)
        spaced += [(char, piece)] if char.isalnum() else [blank, (char, piece), blank]
    spaced.append((" ", None))
    single = []
    for char, piece in spaced:
        if char != " " or not single or single[-1][0] != " ":
            single.append((char, piece))
    return single


def wanted(phrase):
    """The phrase as it stands among other text, without the marks around it."""
    while phrase and not phrase[0].isalnum():
        phrase = phrase[1:]
    while phrase and not phrase[-1].isalnum():
        phrase = phrase[:-1]
    return "".join(char for char, _ in marked([(c, None) for char in phrase for c in folded(char)]))


def slow(pieces, phrase, overlapping=False):
    """Every occurrence of the phrase, as the pieces its letters are in."""
    chars = []
    for i, piece in enumerate(pieces):
        text = " " if piece in SPECIAL else piece.replace("▁", " ")
        chars += [(letter, i) for char in text for letter in folded(char)]
    chars, sought, found, start = marked(chars), wanted(phrase), [], 0
    text = "".join(char for char, _ in chars)
    while sought != " " and (start := text.find(sought, start)) >= 0:
        stop = start + len(sought)
        found.append(tuple(sorted({piece for char, piece in chars[start:stop] if char != " "})))
        # the blank behind one occurrence may be the blank before the next
        start = start + 1 if overlapping else stop - 1
    return found


def occurrences(pieces, phrase):
    found = []
    while True:
        try:
            found.append(find_phrase(pieces, phrase, len(found)))
        except ValueError:
            return found


@given(prompts(phrases=1))
@settings(max_examples=300)
def test_equals_the_slow_matcher(case):
    pieces, (phrase,) = case
    assert occurrences(pieces, phrase) == slow(pieces, phrase)


def choose(pieces, phrases):
    """Most words first, then most letters; each takes its first free place. None if there is none."""
    spans = [None] * len(phrases)
    size = [(-len(text.split()), -len("".join(text.split()))) for text in map(wanted, phrases)]
    for k in sorted(range(len(phrases)), key=lambda k: (size[k], k)):
        taken = {piece for span in spans if span for piece in span}
        free = [span for span in slow(pieces, phrases[k], overlapping=True) if not taken.intersection(span)]
        if not free:
            return None
        spans[k] = free[0]
    return tuple(spans)


@given(prompts(phrases=4))
@settings(max_examples=300)
def test_subjects_choose_as_the_slow_matcher_says(case):
    expected = choose(*case)
    if expected is None:
        with pytest.raises(ValueError, match="^The phrase"):
            find_phrases(*case)
    else:
        assert find_phrases(*case) == expected
