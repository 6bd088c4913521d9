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
_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("’‘ʼ", "'"), **dict.fromkeys("“”„", '"'), **dict.fromkeys("‐‑‒–—−", "-")}
)
UNKNOWN = "\ufffd"  # stands for <unk>, a letter that the tokenizer lacks
_WORD = re.compile(rf"(?:[^\W_]|{UNKNOWN})+|[^\w\s]|_")


class _Word(NamedTuple):
    text: str
    first: int  # index of the first piece that holds a letter of it
    last: int


def find_phrase(pieces: Sequence[str], phrase: str, occurrence: int = 0) -> tuple[int, ...]:
    """Indices of the pieces that make up the phrase's occurrence (0 = the first)."""
    if occurrence < 0:
        raise ValueError(f"Occurrences of a phrase are counted from 0; found {occurrence}.")
    spans = _without_overlaps(_spans(_words(pieces), _wanted(phrase)))
    if occurrence >= len(spans):
        raise ValueError(_missing(phrase, occurrence + 1, len(spans), pieces))
    return spans[occurrence]


def find_phrases(
    pieces: Sequence[str], phrases: Sequence[str | Sequence[str]]
) -> tuple[tuple[int, ...], ...]:
    """One span per subject, none overlapping.

    The longest phrases choose first, so "dog" skips "robot dog"; the k-th subject with the same
    phrase takes its k-th occurrence. A subject with several phrases gets the pieces of all that the
    prompt has; of one at least.
    """
    words, taken = _words(pieces), set()
    wanted: list[tuple[int, str, list[str]]] = []  # whose, as written, its words
    for k, own in enumerate(phrases):
        for phrase in [own] if isinstance(own, str) else own:
            try:
                wanted.append((k, phrase, _wanted(phrase)))
            except ValueError as error:
                raise PhraseNotFound(str(error), k) from None
    found: list[list[int]] = [[] for _ in phrases]
    missing: dict[int, str] = {}  # which of the wanted: why
    order = sorted(range(len(wanted)), key=lambda i: (-len(wanted[i][2]), -len("".join(wanted[i][2])), i))
    for i in order:
        k, phrase, own = wanted[i]
        spans = _spans(words, own)
        free = [span for span in spans if taken.isdisjoint(span)]
        if free:
            taken.update(free[0])
            found[k] += free[0]
            continue
        need, there = sum(w[2] == own for w in wanted), len(_without_overlaps(spans))
        message = _missing(phrase, need, there, pieces)
        if there >= need:
            message += " Every occurrence is part of another subject's phrase."
        missing[i] = message
        if isinstance(phrases[k], str):
            raise PhraseNotFound(message, k)
    for i in sorted(missing):
        if not found[wanted[i][0]]:
            raise PhraseNotFound(missing[i], wanted[i][0])
    return tuple(tuple(sorted(span)) for span in found)


def piece_text(piece: str) -> str:
    """A piece as text: <unk> is one unknown letter; <pad>, </s> and the like are none."""
    if piece == "<unk>":
        return UNKNOWN
    return " " if re.fullmatch(r"<[^<>]*>", piece) else piece.replace(SPACE, " ")


class PhraseNotFound(ValueError):
    """A ValueError that knows which of the phrases (from 0) was not found."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def _words(pieces: Sequence[str]) -> list[_Word]:
    text, owner = "", []
    for i, piece in enumerate(pieces):
        for char in piece_text(piece):
            folded = _folded(char)
            text += folded
            owner += [i] * len(folded)
    return [_Word(m[0], owner[m.start()], owner[m.end() - 1]) for m in _WORD.finditer(text)]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_TYPOGRAPHY)


def _wanted(phrase: str) -> list[str]:
    """The phrase's words; punctuation around it is dropped."""
    words = _WORD.findall(_folded(phrase))
    letters = [i for i, word in enumerate(words) if any(char.isalnum() for char in word)]
    if not letters:
        raise ValueError(f"The phrase {phrase!r} has no letter or digit to look for.")
    return words[letters[0] : letters[-1] + 1]


def _spans(words: list[_Word], wanted: list[str]) -> list[tuple[int, ...]]:
    """The pieces of every place where the wanted words stand in a row, overlapping or not."""
    texts = [word.text for word in words]
    starts = [i for i in range(len(words) - len(wanted) + 1) if texts[i : i + len(wanted)] == wanted]
    return [
        tuple(sorted({p for w in words[i : i + len(wanted)] for p in range(w.first, w.last + 1)}))
        for i in starts
    ]


def _without_overlaps(spans: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    kept: list[tuple[int, ...]] = []
    for span in spans:
        if not kept or kept[-1][-1] < span[0]:
            kept.append(span)
    return kept


def _missing(phrase: str, wanted: int, found: int, pieces: Sequence[str]) -> str:
    prompt = " ".join("".join(map(piece_text, pieces)).split())
    times = {0: "does not contain it", 1: "contains it once"}.get(found, f"contains it {found} times")
    need = "" if wanted <= 1 else f" {wanted} times"
    return f"The phrase {phrase!r} is needed{need} in the prompt, but the prompt {times}: {prompt!r}."
