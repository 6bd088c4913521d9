"""Pieces of a byte-level tokenizer, which writes bytes as letters, as the bytes they are."""

from __future__ import annotations


def _alphabet() -> dict[str, int]:
    """A byte that prints is written as itself, any other as a letter from Ā on."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(b): b for b in printed} | {chr(256 + k): b for k, b in enumerate(others)}


_BYTES = _alphabet()


def as_bytes(token: str) -> bytes:
    """A token that is not written so, such as a mark of its own, in UTF-8."""
    return bytes(_BYTES[c] for c in token) if all(c in _BYTES for c in token) else token.encode()
