"""Where subjects are to be: boxes, regions and priorities, on any grid of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....anyms_attention import on_top, rows_of, stacked
from ....musar_attention import Box, inside_boxes, inside_masks
from ..boxes import OFF_CANVAS, place_boxes
from ..plan import PixelBox, Subject

EVERYWHERE = "joint"  # of merges: boxes and regions are left out


@dataclass(frozen=True, eq=False)
class Layout:
    """Subjects that are seen; those of strength 0 were left out, and so were their boxes."""

    names: tuple[str, ...]
    boxes: tuple[PixelBox, ...]
    regions: tuple[Tensor | None, ...]
    strengths: tuple[float, ...]
    priorities: tuple[float, ...]
    merge: str
    background: str

    def on(self, picture: tuple[int, int]) -> list[Box]:
        """As fractions of a picture of that width and height."""
        try:
            return [box.on(picture) for box in self.boxes]
        except ValueError as error:
            raise ValueError(f"boxes: {error}. {OFF_CANVAS}") from None

    def rows(self, target: tuple[int, int], picture: tuple[int, int]) -> list[Tensor]:
        """The tokens of a grid, each subject's or, where the merge is joint, all of them once."""
        return rows_of(*self._inside(target, picture), self.merge)

    def top(self, target: tuple[int, int], picture: tuple[int, int]) -> Tensor:
        """int64 rows × columns: who lies on top, −1 = nobody."""
        return on_top(*self._inside(target, picture)).view(target)

    def _inside(self, target: tuple[int, int], picture: tuple[int, int]) -> tuple[Tensor, list[int]]:
        boxes = self.on(picture)
        for name, box, region in zip(self.names, boxes, self.regions):
            _require_place(name, box, region)
        inside = (inside_boxes(boxes, target) & inside_masks(self.regions, target))[0]
        sizes = [
            round((box.right - box.left) * (box.bottom - box.top), 9) for box in boxes
        ]  # equal in pixels
        return inside, stacked(sizes, self.priorities)


def lay_out(
    subjects: dict[str, Subject],
    boxes: object,
    canvas: tuple[int, int],
    priorities: str,
    merge: str,
    background: str,
) -> Layout:
    """ValueError says what of it cannot be."""
    whole = PixelBox(0, 0, 1, 1, (1, 1))
    everywhere = merge == EVERYWHERE
    placed = dict.fromkeys(subjects, whole) if everywhere else place_boxes(boxes, list(subjects), canvas)
    if missing := [name for name in subjects if name not in placed]:
        raise ValueError(
            f"boxes holds {len(placed) or 'no'} box{'es' * (len(placed) != 1)} and {len(subjects)} subject"
            f"{'s are' if len(subjects) > 1 else ' is'} connected: {', '.join(missing)} would have none. Box "
            "k is subject_k's: draw one for each in Create Bounding Boxes, the first of them for subject_1."
        )
    order = _priorities(priorities, len(subjects))
    seen = [k for k, subject in enumerate(subjects.values()) if subject.strength > 0]
    chosen = [(list(subjects)[k], list(subjects.values())[k]) for k in seen]
    return Layout(
        tuple(subject.phrases[0] for _, subject in chosen),
        tuple(placed[name] for name, _ in chosen),
        tuple(None if everywhere else subject.region for _, subject in chosen),
        tuple(subject.strength for _, subject in chosen),
        tuple(order[k] for k in seen),
        merge,
        background,
    )


def _priorities(text: str, count: int) -> list[float]:
    parts = text.replace(",", " ").split()
    if not parts:
        return [0.0] * count
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = []
    if len(found) != count or not torch.isfinite(torch.tensor(found)).all():
        raise ValueError(
            f"priorities is {text!r}; it is one number for each subject ({count} here), such as "
            f"'{', '.join(str(k) for k in range(count))}', where higher lies on top. Empty = "
            "the smaller box on top."
        )
    return found


def _require_place(name: str, box: Box, region: Tensor | None) -> None:
    if region is None:
        return
    grid = tuple(region.shape)
    if not (inside_boxes([box], grid) & inside_masks([region], grid)).any():
        raise ValueError(
            f"The box and the region of the subject {name!r} have nothing in common, so it may be nowhere. "
            "Move the box, paint over it, or take the region away."
        )
