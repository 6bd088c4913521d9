"""FLUX.2's prompt: inside a chat template, read by a byte-level tokenizer, and padded before or behind."""

from __future__ import annotations

from comfy.sd import CLIP
from comfy.sd1_clip import SDTokenizer
from torch import Tensor

from ....musar_attention.byte_level import as_bytes

NO_TEXT = "<no text>"  # the piece that stands for the template, padding and vectors of embedding files


class ChatText:
    """Qwen3's (klein) and Mistral 3's (dev): three of the encoder's layers lie side by side in T."""

    name = "Qwen3 or Mistral"
    keys = ("qwen3_4b", "qwen3_8b", "mistral3_24b")
    loader = "CLIPLoader, type flux2"
    wanted = (
        f"FLUX.2 klein 4B needs Qwen3 4B, klein 9B Qwen3 8B, and dev Mistral 3: use {loader}, with the text "
        "encoder of this very model."
    )
    layers = 3

    def stream(self, tokens: dict) -> list:
        (key,) = (key for key in self.keys if key in tokens)
        return [token for batch in tokens[key] for token in batch]

    def pieces(self, clip: CLIP, stream: list) -> list[str | bytes]:
        words = _tokenizer(clip).inv_vocab
        pieces = [NO_TEXT if isinstance(t[0], Tensor) else as_bytes(words[t[0]]) for t in stream]
        return _without_template(pieces, getattr(clip.tokenizer, "llama_template", "{}"))

    def own_length(self, clip: CLIP, stream: list) -> int:
        padding = _tokenizer(clip).pad_token
        return max(i for i, t in enumerate(stream) if isinstance(t[0], Tensor) or t[0] != padding) + 1

    def lead(self, context: Tensor) -> int:
        silent = (context == 0).all(-1).all(0)  # B m D -> m
        return 0 if silent.all() else int((~silent).nonzero()[0])

    def unread(self, pieces: list[str | bytes]) -> str:
        return ""


def _tokenizer(clip: CLIP) -> SDTokenizer:
    return next(getattr(clip.tokenizer, key) for key in ChatText.keys if hasattr(clip.tokenizer, key))


def _without_template(pieces: list[str | bytes], template: str) -> list[str | bytes]:
    """The user's own words alone: the rest is no text.

    The template's end is known by its first mark, a token of its own: embeddings may change the blanks
    that follow.
    """
    before, after = (part.encode() for part in template.split("{}"))
    text = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    start = text.find(before) + len(before) if before in text else 0
    end = max((i for i, piece in enumerate(pieces) if piece in after.split()[:1]), default=len(pieces))
    own, place = [], 0
    for i, piece in enumerate(pieces):
        if not isinstance(piece, bytes):
            own.append(NO_TEXT)
            continue
        rest = piece[max(0, start - place) :]
        own.append(rest if rest and i < end else NO_TEXT)
        place += len(piece)
    return own
