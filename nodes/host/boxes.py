"""BOUNDING_BOX inputs: one box, a list of boxes, or core's list of such lists, one a frame."""

from __future__ import annotations

from typing import Any

from .plan import PixelBox

OFF_CANVAS = "Move it, or set canvas_width and canvas_height to the canvas it was drawn on."


def place_boxes(boxes: Any, names: list[str], canvas: tuple[int, int]) -> list[PixelBox | None]:
    """A box or None for each of the named subjects, in their order."""
    listed = _flatten(boxes)
    if len(listed) > len(names):
        raise ValueError(
            f"boxes holds {len(listed)} boxes for {len(names)} subjects. Box k belongs to the k-th "
            "subject: remove boxes or connect more subjects."
        )
    placed: list[PixelBox | None] = []
    for number, box in enumerate(listed, 1):
        try:
            x, y, width, height = (float(box[key]) for key in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"Box {number} of boxes is {box!r}; a box is {{x, y, width, height}} in pixels."
            ) from None
        pixels = PixelBox(x, y, width, height, canvas)
        if not (width > 0 and height > 0):
            raise ValueError(f"Box {number} of boxes is {width:g} × {height:g} pixels. Draw it larger.")
        if all(canvas):  # where it is the picture's, sampling tells
            try:
                pixels.on(canvas)
            except ValueError as error:
                raise ValueError(f"Box {number} of boxes: {error}. {OFF_CANVAS}") from None
        placed.append(pixels)
    return placed + [None] * (len(names) - len(placed))


def _flatten(boxes: Any) -> list:
    if boxes is None:
        return []
    if isinstance(boxes, dict):
        return [boxes]
    if boxes and isinstance(boxes[0], (list, tuple)):
        return list(boxes[0])  # the first frame
    return list(boxes)
