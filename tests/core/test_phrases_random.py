"""find_phrase against a matcher that knows letters and blanks, but no words."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from musar_attention import find_phrase, find_phrases

WORDS = ["a", "dog", "Dog", "dogs", "robot", "ROBOT", "bulldog", "Café", "ＤＯＧ", "straße", "r2", "2"]
MARKS = [",", "-", "'", '"', "_", ".", "“", "</s>", "<pad>"]
SPECIAL = ["</s>", "<pad>"]


@st.composite
def prompts(draw):
    """Pieces: words and marks with and without blanks between, words cut anywhere."""
    pieces = []
    for word in draw(st.lists(st.sampled_from(WORDS + MARKS), max_size=14)):
        if word in SPECIAL:
            pieces.append(word)
            continue
        start = draw(st.sampled_from(["▁", "▁", "", "▁▁"]))
        cut = draw(st.integers(0, len(word)))
        pieces += [start + word[:cut], word[cut:]] if 0 < cut < len(word) else [start + word]
    return pieces


phrases = st.lists(st.sampled_from(WORDS + MARKS[:5] + [" "]), min_size=1, max_size=4).map(" ".join)


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


def slow(pieces, phrase):
    """Every occurrence of the phrase, as the pieces its letters are in."""
    chars = []
    for i, piece in enumerate(pieces):
        text = " " if piece in SPECIAL else piece.replace("▁", " ")
        chars += [(letter, i) for char in text for letter in folded(char)]
    chars = marked(chars)
    while phrase and not phrase[0].isalnum():
        phrase = phrase[1:]
    while phrase and not phrase[-1].isalnum():
        phrase = phrase[:-1]
    wanted = "".join(char for char, _ in marked([(c, None) for char in phrase for c in folded(char)]))
    text, found, start = "".join(char for char, _ in chars), [], 0
    while wanted != " " and (start := text.find(wanted, start)) >= 0:
        stop = start + len(wanted)
        found.append(tuple(sorted({piece for char, piece in chars[start:stop] if char != " "})))
        start = stop - 1  # the blank behind one occurrence may be the blank before the next
    return found


def occurrences(pieces, phrase):
    found = []
    while True:
        try:
            found.append(find_phrase(pieces, phrase, len(found)))
        except ValueError:
            return found


@given(prompts(), phrases)
def test_equals_the_slow_matcher(pieces, phrase):
    assert occurrences(pieces, phrase) == slow(pieces, phrase)


@given(prompts(), st.data())
def test_finds_what_the_prompt_is_made_of(pieces, data):
    """A phrase cut out of the prompt is there at least once."""
    text = "".join(" " if p in SPECIAL else p for p in pieces).replace("▁", " ")
    words = [word for word in text.split() if any(char.isalnum() for char in word)]
    if words:
        first = data.draw(st.integers(0, len(words) - 1))
        assert slow(pieces, words[first])
        assert find_phrase(pieces, words[first]) == slow(pieces, words[first])[0]


@given(prompts(), st.lists(phrases, min_size=1, max_size=5))
def test_spans_of_subjects_are_occurrences_and_do_not_overlap(pieces, chosen):
    try:
        spans = find_phrases(pieces, chosen)
    except ValueError:
        return
    for span, phrase in zip(spans, chosen):
        assert span in slow(pieces, phrase)
    taken = [piece for span in spans for piece in span]
    assert len(taken) == len(set(taken))
    for phrase in set(chosen):
        same = [span for span, other in zip(spans, chosen) if other == phrase]
        assert same == sorted(same)
