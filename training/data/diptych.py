"""Diptych learning: two pairs become one example, and a model learns two subjects from one-subject data.

references      target                 prompt
┌───┐ ┌───┐     ┌─────────┬─────────┐  Two images concatenated side by side,
│ a │ │ b │     │ a there │ b here  │  the left part is: a there, the right part is: b here
└───┘ └───┘     └─────────┴─────────┘
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .example import Example, Reference
from .pair import BadRow, Pair
from .words import another, find_words, occurrence, phrase_of, say_another

TWO_COLUMNS = "Two images concatenated side by side, the left part is: {}, the right part is: {}"


def two_columns(left: str, right: str) -> str:
    return TWO_COLUMNS.format(left, right)


def single(pair: Pair) -> Example:
    return Example(pair.caption, (_reference(pair, pair.words, pair.caption, pair.caption, 0),), pair.target)


def diptych(left: Pair, right: Pair, another_in_phrase: bool = False) -> Example:
    """Two references; the targets side by side, as high as the left one. BadRow says what does not fit.

    `another_in_phrase`: the phrase of the second of two of a kind is "another cat", and not "cat".
    """
    first, second = left.caption.rstrip(" ."), right.caption
    words, whole = right.words, False
    if left.kind == right.kind:
        check_words(right)
        words, second = another(words), say_another(second, words)
        whole = another_in_phrase
    prompt = two_columns(first, second)
    references = (
        _reference(left, left.words, first, prompt, TWO_COLUMNS.index("{}")),
        _reference(right, words, second, prompt, len(prompt) - len(second), whole),
    )
    target = np.concatenate([left.target, at_height(right.target, len(left.target))], 1)
    return Example(prompt, references, target)


def check_words(pair: Pair) -> None:
    """BadRow, unless the caption says the words."""
    _last_letter(pair.caption, pair.words)


def at_height(picture: np.ndarray, height: int) -> np.ndarray:
    """H W 3 -> height W' 3, its shape kept."""
    if len(picture) == height:
        return picture
    width = max(1, round(picture.shape[1] * height / len(picture)))
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def _reference(
    pair: Pair, words: str, caption: str, prompt: str, offset: int, whole: bool = False
) -> Reference:
    """`offset` is where the caption begins in the prompt. `whole`: all the words are the phrase."""
    last = offset + _last_letter(caption, words)
    phrase = words if whole else phrase_of(words)
    try:
        return Reference(pair.reference, words, phrase, occurrence(prompt, phrase, last))
    except ValueError as error:
        raise BadRow(str(error), "phrase lost") from None


def _last_letter(caption: str, words: str) -> int:
    try:
        return find_words(caption, words)[1]
    except ValueError:
        raise BadRow(
            f"The caption {caption!r} does not say the words {words!r}, so the prompt would not name "
            "the subject. Write the words into the caption as they are.",
            "phrase lost",
        ) from None
