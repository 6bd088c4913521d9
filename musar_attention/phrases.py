"""Which prompt tokens name a subject: phrases found in the pieces of a tokenizer.

SentencePiece's pieces are text with `▁` for a space (`▁a`, `▁robot`, `-`, `dog`, `</s>`). Those of a
byte-level tokenizer are bytes (`b" robot"`): a letter may lie in several, and belongs to all of them.
Both sides are compared word by word, case-folded; punctuation is a word of its own, and does no harm
next to a phrase. So is each letter of a script that puts no spaces between words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

SPACE = "▁"
_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("’‘ʼ", "'"), **dict.fromkeys("“”„", '"'), **dict.fromkeys("‐‑‒–—−", "-")}
)
UNKNOWN = "\ufffd"  # stands for <unk>, a letter that the tokenizer lacks
_EMOJI = "\u2600"  # symbols from here on may name a subject
# Thai, Lao, Burmese, Khmer, Japanese, Chinese
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_SIGNS = ("Mn", "Mc")  # categories: vowel signs and accents, which are no letters and part of a word
_MARKS = "".join(c for c in map(chr, range(0x300, 0x2000)) if unicodedata.category(c) in _SIGNS)
_MARKS = re.sub(f"[{_UNSPACED}]", "", _MARKS)
_WORD = re.compile(rf"[{_UNSPACED}]|(?:[^\W_{_UNSPACED}]|[{_MARKS}]|{UNKNOWN})+|[^\w\s]|_")

Piece = str | bytes


class _Word(NamedTuple):
    text: str
    first: int  # index of the first piece that holds a letter of it
    last: int


def find_phrase(pieces: Sequence[Piece], phrase: str, occurrence: int = 0) -> tuple[int, ...]:
    """Indices of the pieces that make up the phrase's occurrence (0 = the first)."""
    if occurrence < 0:
        raise ValueError(f"Occurrences of a phrase are counted from 0; found {occurrence}.")
    spans = _without_overlaps(_spans(_words(pieces), _wanted(phrase)))
    if occurrence >= len(spans):
        raise ValueError(_missing(phrase, occurrence + 1, len(spans), pieces))
    return spans[occurrence]


def find_phrases(
    pieces: Sequence[Piece], phrases: Sequence[str | Sequence[str]]
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


def text_of(pieces: Sequence[Piece]) -> str:
    """The text that the pieces make up."""
    return "".join(letter for letter, *_ in _letters(pieces))


class PhraseNotFound(ValueError):
    """A ValueError that knows which of the phrases (from 0) was not found."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def _words(pieces: Sequence[Piece]) -> list[_Word]:
    text, first, last = "", [], []
    for letter, begin, end in _composed(_letters(pieces)):
        folded = _folded(letter)
        text += folded
        first += [begin] * len(folded)
        last += [end] * len(folded)
    return [_Word(m[0], first[m.start()], last[m.end() - 1]) for m in _WORD.finditer(text)]


def _letters(pieces: Sequence[Piece]) -> Iterator[tuple[str, int, int]]:
    """Letter by letter, with the first and the last piece that hold some of it."""
    for of_bytes, run in groupby(enumerate(pieces), lambda piece: isinstance(piece[1], bytes)):
        if not of_bytes:
            for i, piece in run:
                yield from ((letter, i, i) for letter in _piece_text(piece))
            continue
        run = list(run)
        owner, place = [i for i, piece in run for _ in piece], 0
        for letter in b"".join(piece for _, piece in run).decode(errors="surrogateescape"):
            size = len(letter.encode(errors="surrogateescape"))  # a byte that is no letter is one of its own
            known = not "\udc80" <= letter <= "\udcff"
            yield letter if known else UNKNOWN, owner[place], owner[place + size - 1]
            place += size


def _piece_text(piece: str) -> str:
    """A piece as text: <unk> is one unknown letter; <pad>, </s> and the like are none."""
    if piece == "<unk>":
        return UNKNOWN
    return " " if re.fullmatch(r"<[^<>]*>", piece) else piece.replace(SPACE, " ")


def _composed(letters: Iterator[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Accents that stand behind their letter, with it."""
    whole: tuple[str, int, int] | None = None
    for letter, first, last in letters:
        if whole and unicodedata.combining(letter):
            whole = whole[0] + letter, whole[1], last
            continue
        if whole:
            yield whole
        whole = letter, first, last
    if whole:
        yield whole


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_TYPOGRAPHY)


def _wanted(phrase: str) -> list[str]:
    """The phrase's words; punctuation around it is dropped."""
    words = _WORD.findall(_folded(phrase))
    letters = [i for i, word in enumerate(words) if any(map(_says_something, word))]
    if not letters:
        raise ValueError(f"The phrase {phrase!r} has no letter or digit to look for.")
    return words[letters[0] : letters[-1] + 1]


def _says_something(char: str) -> bool:
    """Letters and digits do, vowel signs (หมู is no หมี), and emoji."""
    kind = unicodedata.category(char)
    emoji = char >= _EMOJI and char != UNKNOWN and kind == "So"
    return char.isalnum() or emoji or (char < _EMOJI and kind in _SIGNS)


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


def _missing(phrase: str, wanted: int, found: int, pieces: Sequence[Piece]) -> str:
    prompt = " ".join(text_of(pieces).split())
    times = {0: "does not contain it", 1: "contains it once"}.get(found, f"contains it {found} times")
    need = "" if wanted <= 1 else f" {wanted} times"
    return f"The phrase {phrase!r} is needed{need} in the prompt, but the prompt {times}: {prompt!r}."
