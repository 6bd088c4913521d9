"""Which prompt tokens name a subject: phrases found in the pieces of a SentencePiece tokenizer.

Pieces are text with `▁` for a space (`▁a`, `▁robot`, `-`, `dog`, `</s>`). Both sides are compared
word by word, case-folded; punctuation is a word of its own, and does no harm next to a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

SPACE = "▁"
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")


class _Word(NamedTuple):
    text: str
    first: int  # index of the first piece that holds a letter of it
    last: int


def find_phrase(pieces: Sequence[str], phrase: str, occurrence: int = 0) -> tuple[int, ...]:
    """Indices of the pieces that make up the phrase's occurrence (0 = the first)."""
    words = _words(pieces)
    matches = _matches(words, phrase)
    if not 0 <= occurrence < len(matches):
        raise ValueError(_missing(phrase, occurrence + 1, len(matches), words))
    return _span(words, matches[occurrence])


def find_phrases(pieces: Sequence[str], phrases: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """One span per subject, none overlapping.

    The longest phrases choose first, so "dog" skips "robot dog"; the k-th subject with the same
    phrase takes its k-th occurrence.
    """
    words = _words(pieces)
    taken: set[int] = set()
    spans: dict[int, tuple[int, ...]] = {}
    folded = [_fold(p) for p in phrases]
    for k in sorted(range(len(phrases)), key=lambda k: (-len(folded[k]), -len("".join(folded[k])), k)):
        try:
            matches = _matches(words, phrases[k])
        except ValueError as error:
            raise PhraseNotFound(str(error), k) from None
        free = [m for m in matches if taken.isdisjoint(m)]
        if not free:
            wanted = folded.count(folded[k])
            message = _missing(phrases[k], wanted, len(matches), words)
            if len(matches) >= wanted:
                message += " Every occurrence is part of another subject's phrase."
            raise PhraseNotFound(message, k)
        taken.update(free[0])
        spans[k] = _span(words, free[0])
    return tuple(spans[k] for k in range(len(phrases)))


class PhraseNotFound(ValueError):
    """A ValueError that knows which of the phrases (from 0) was not found."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def _words(pieces: Sequence[str]) -> list[_Word]:
    text, owner = "", []
    for i, piece in enumerate(pieces):
        if re.fullmatch(r"<[^<>]*>", piece):  # <pad>, </s>, <unk>, <extra_id_0>: never text
            piece = " "
        for char in piece.replace(SPACE, " "):
            folded = unicodedata.normalize("NFKC", char).casefold()
            text += folded
            owner += [i] * len(folded)
    return [_Word(m[0], owner[m.start()], owner[m.end() - 1]) for m in _WORD.finditer(text)]


def _fold(phrase: str) -> list[str]:
    """The phrase's words; punctuation around it is dropped."""
    words = _WORD.findall(unicodedata.normalize("NFKC", phrase).casefold())
    letters = [i for i, word in enumerate(words) if word[0].isalnum()]
    return words[letters[0] : letters[-1] + 1] if letters else []


def _matches(words: list[_Word], phrase: str) -> list[range]:
    wanted = _fold(phrase)
    if not wanted:
        raise ValueError(f"The phrase {phrase!r} has no letter or digit to look for.")
    found, start = [], 0
    while start + len(wanted) <= len(words):
        if [w.text for w in words[start : start + len(wanted)]] == wanted:
            found.append(range(start, start + len(wanted)))
            start += len(wanted)
        else:
            start += 1
    return found


def _span(words: list[_Word], match: range) -> tuple[int, ...]:
    return tuple(sorted({i for w in match for i in range(words[w].first, words[w].last + 1)}))


def _missing(phrase: str, wanted: int, found: int, words: list[_Word]) -> str:
    prompt = " ".join(w.text for w in words)
    times = {0: "not at all", 1: "once"}.get(found, f"{found} times")
    need = "" if wanted <= 1 else f" {wanted} times"
    return f"The phrase {phrase!r} is needed{need} in the prompt, but it is there {times}: {prompt!r}."
