"""The words for a subject: where a caption says them, and how "another" is said.

Texts are compared as `musar_attention.find_phrase` compares prompts, so that what is found here is
found again in the tokens.
"""

from __future__ import annotations

from musar_attention import find_phrase
from musar_attention.phrases import SPACE

ARTICLES = ("a", "an", "the", "another")


def phrase_of(words: str) -> str:
    """ "a cat" -> "cat"."""
    article, _, rest = words.strip().partition(" ")
    return rest.strip() if article.lower() in ARTICLES and rest.strip() else words.strip()


def another(words: str) -> str:
    """ "an owl" -> "another owl"."""
    return f"another {phrase_of(words)}"


def find_words(text: str, words: str, occurrence: int = 0) -> tuple[int, int]:
    """First and last letter of the words in the text; ValueError where they are not in it."""
    span = find_phrase(letters(text), words, occurrence)
    return span[0], span[-1]


def say_another(caption: str, words: str) -> str:
    """The caption with "another" in place of the words' article, or in front of words without one."""
    words = words.strip()
    first, _ = find_words(caption, words)
    quotes = words[: next((i for i, letter in enumerate(words) if letter.isalnum()), 0)]
    if caption[:first].endswith(quotes):
        first -= len(quotes)  # '"Eames" chair' is said from its first quote on
    without = phrase_of(words) == words
    after = first if without else first + len(words.split()[0])
    return f"{caption[:first]}another{' ' if without else ''}{caption[after:]}"


def occurrence(prompt: str, phrase: str, last: int) -> int:
    """Which of the phrase's occurrences in the prompt ends with the letter `last`."""
    number = 0
    while find_words(prompt, phrase, number)[1] != last:
        number += 1
    return number


def letters(text: str) -> list[str]:
    """A piece a letter: spans of pieces are then positions in the text."""
    return [SPACE if letter.isspace() else letter for letter in text]
