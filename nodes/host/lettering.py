"""Words on sheets: in Pillow's own face, or in one of the system's where that lacks their letters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import ImageFont

NO_LETTER = "\U000effff"  # in no face: what is drawn for it is drawn for every letter that is missing
FACES = (  # of Linux, Windows and macOS, by what they hold; Pillow knows where each system keeps them
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "arial.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "LeelawUI.ttf",
    "Thonburi.ttc",
)


def font(size: int, words: str = "") -> ImageFont.FreeTypeFont:
    """The first face that has every letter of the words; Pillow's own where none has."""
    return _face(_holding("".join(sorted(set(words)))), size)


def shown(names: Sequence[str]) -> list[str]:
    """Names as a sheet has them: those that no face here can write are counted."""
    return [
        name if _has(_holding("".join(sorted(set(name)))), name) else f"subject {k}"
        for k, name in enumerate(names, 1)
    ]


@lru_cache(1024)
def _holding(letters: str) -> str:
    return next((face for face in ("", *FACES) if _has(face, letters)), "")


def _has(face: str, letters: str) -> bool:
    if not face and letters.isascii():
        return True
    if face and not _there(face):
        return False
    drawn = _face(face, 20)
    missing = bytes(drawn.getmask(NO_LETTER))
    return all(letter.isspace() or bytes(drawn.getmask(letter)) != missing for letter in letters)


@lru_cache
def _there(face: str) -> bool:
    """Asked once: for a face that is not there Pillow walks all the system's folders."""
    try:
        return bool(_face(face, 20))
    except OSError:
        return False


@lru_cache(256)
def _face(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size=size)
