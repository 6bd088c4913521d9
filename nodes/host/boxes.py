"""BOUNDING_BOX inputs: one box, a list of boxes, or core's list of such lists, one a frame."""

from __future__ import annotations

import math
from typing import Any

from .plan import PixelBox

OFF_CANVAS = "Move it, or set canvas_width and canvas_height to the canvas it was drawn on."


def place_boxes(boxes: Any, names: list[str], canvas: tuple[int, int]) -> dict[str, PixelBox]:
    """Box k for subject_k, by the subject's name."""
    placed = {}
    for number, box in enumerate(_flatten(boxes), 1):
        name = f"subject_{number}"
        if name not in names:
            raise ValueError(
                f"Box {number} of boxes belongs to {name}, and only {', '.join(names) or 'none'} is "
                "connected. Connect more subjects or remove boxes. To leave one out and keep the boxes, "
                "set its strength to 0: sockets close up where one is disconnected."
            )
        try:
            x, y, width, height = (float(box[key]) for key in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"Box {number} of boxes is {box!r}; a box is {{x, y, width, height}} in pixels."
            ) from None
        if not (math.isfinite(x + y) and 0 < width < math.inf and 0 < height < math.inf):
            raise ValueError(
                f"Box {number} of boxes is {width:g} × {height:g} pixels at {x:g}, {y:g}. Draw it anew."
            )
        placed[name] = PixelBox(x, y, width, height, canvas)
        if all(canvas):  # where it is the picture's, sampling tells
            try:
                placed[name].on(canvas)
            except ValueError as error:
                raise ValueError(f"Box {number} of boxes: {error}. {OFF_CANVAS}") from None
    return placed


def _flatten(boxes: Any) -> list:
    if boxes is None:
        return []
    if isinstance(boxes, dict):
        return [boxes]
    if boxes and isinstance(boxes[0], (list, tuple)):
        return list(boxes[0])  # the first frame
    return list(boxes)
