"""Subjects200K's composite: two square pictures in one. Where they lie follows from its real size.

    1040 wide                      1056 wide
    ┌─┬──────┬─┬──────┐            ┌─┬──────┬──┬──────┬─┐
    │8│ 512  │8│ 512  │            │8│ 512  │16│ 512  │8│
    └─┴──────┴─┴──────┘            └─┴──────┴──┴──────┴─┘

1056 has a padding of 8 around each picture. 1040 is the width that the data set's own crops fit, with
none on the right; the right picture of a wider composite, cut at their place, would show the gutter.
"""

from __future__ import annotations

from .pair import BadRow

PADDING = 8
STEP = 64  # sides are multiples of it: 512, and 1024 in the third collection

Box = tuple[int, int, int, int]  # left, top, right, bottom


def cells(width: int, height: int) -> tuple[Box, Box]:
    """The left and the right picture. BadRow where no two such squares fill the composite."""
    side = (width // 2 - PADDING) // STEP * STEP
    spare = width - PADDING - 2 * side  # gutter and right margin
    if (
        side < STEP
        or not PADDING <= spare <= 3 * PADDING
        or not side + PADDING <= height <= side + 2 * PADDING
    ):
        raise BadRow(
            f"the composite is {width}×{height}, which is not two squares side by side with a padding of "
            f"{PADDING}, as 1056×528 is. It is skipped; data made otherwise fits a plain folder of pairs.",
            "shape of the composite",
        )
    margin = min(max(spare - PADDING, 0), PADDING)
    right, top, bottom = width - margin - side, PADDING, PADDING + side
    return (PADDING, top, PADDING + side, bottom), (right, top, right + side, bottom)
