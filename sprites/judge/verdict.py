"""The figures of a picture: who is there, whose looks, whose colours, where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np

from ..world.identity import Identity, all_identities, sprite
from ..world.kinds import bitmap
from .covered import HIDDEN, find_covered
from .read import Found, find_place, find_subjects, is_diptych

Box = tuple[int, int, int, int]  # row, column, rows, columns: in cells


@dataclass(frozen=True)
class Request:
    """What was asked for. `identities` are the references' looks, None where there is none."""

    kinds: Sequence[str]  # as the prompt names them, left to right
    place: str
    identities: Sequence[Identity | None] = ()
    boxes: Sequence[Box] = ()
    covering: bool = False  # subjects may lie on one another: what is covered does not count


@dataclass(frozen=True)
class Verdict:
    """Shares are 0…1. A missing subject has identity 0 and no leak."""

    found: tuple[Found | None, ...]  # for each requested kind
    place: str
    diptych: bool
    fidelity: float  # of the requested kinds and the place, how many are there
    identity: tuple[float, ...] = ()  # body cells drawn as the reference has them
    matched: tuple[bool, ...] = ()  # no other identity fits better
    leak: tuple[float, ...] = ()  # body cells in colours that only other references have
    layout: float | None = None  # mean IoU with the requested boxes
    extra: int = 0  # subjects nobody asked for

    @property
    def present(self) -> float:
        return float(np.mean([f is not None for f in self.found]))


def judge(cells: np.ndarray, request: Request) -> Verdict:
    """`cells` as read_cells gives them."""
    everything = find_covered(cells) if request.covering else find_subjects(cells)
    chosen = match(everything, request)
    place, _ = find_place(cells)
    there = sum(f is not None for f in chosen)
    identities = request.identities or [None] * len(chosen)
    pairs = list(zip(chosen, identities))
    return Verdict(
        found=tuple(chosen),
        place=place,
        diptych=is_diptych(cells),
        fidelity=(there + (place == request.place)) / (len(chosen) + 1),
        identity=tuple(likeness(f, i) for f, i in pairs) if request.identities else (),
        matched=tuple(is_best(f, i) for f, i in pairs) if request.identities else (),
        leak=tuple(leaked(f, k, identities) for k, f in enumerate(chosen)) if request.identities else (),
        layout=mean_iou(chosen, request.boxes) if request.boxes else None,
        extra=len(everything) - there,
    )


def match(found: Sequence[Found], request: Request) -> list[Found | None]:
    """One found subject for each requested kind; of several, those that fit boxes or looks best."""
    chosen: list[Found | None] = [None] * len(request.kinds)
    for kind in dict.fromkeys(request.kinds):
        wanted = [i for i, k in enumerate(request.kinds) if k == kind]
        here: list[Found | None] = [f for f in found if f.kind == kind]
        here += [None] * (len(wanted) - len(here))
        best = max(permutations(here, len(wanted)), key=lambda order: fit(order, wanted, request))
        for i, f in zip(wanted, best):
            chosen[i] = f
    return chosen


def fit(order: Sequence[Found | None], wanted: Sequence[int], request: Request) -> float:
    total = 0.0
    for f, i in zip(order, wanted):
        total += 0.01 * (f is not None)
        if request.boxes:
            total += overlap(f, request.boxes[i])
        elif request.identities:
            total += likeness(f, request.identities[i])
    return total


def likeness(found: Found | None, identity: Identity | None) -> float:
    """Share of the body's cells drawn in the reference's colours at the reference's places."""
    if found is None or identity is None:
        return 0.0
    return _share(found, sprite(found.kind, identity))


def is_best(found: Found | None, identity: Identity | None) -> bool:
    """True if no other of the 594 identities is as like: those that look the same here count as one."""
    if found is None or identity is None:
        return False
    own = sprite(found.kind, identity)
    return _share(found, own) > max(
        _share(found, other) for other in _sprites(found.kind) if (other != own).any()
    )


def leaked(found: Found | None, k: int, identities: Sequence[Identity | None]) -> float:
    """Share of the body's cells in colours of other references that the own one does not have."""
    if found is None or identities[k] is None:
        return 0.0
    own = {identities[k].first, identities[k].second}
    others = {c for i, o in enumerate(identities) if i != k and o for c in (o.first, o.second)} - own
    return float(np.isin(found.cells[_body(found)], list(others)).mean())


def mean_iou(found: Sequence[Found | None], boxes: Sequence[Box]) -> float:
    return float(np.mean([overlap(f, box) for f, box in zip(found, boxes)]))


def overlap(found: Found | None, box: Box) -> float:
    """Intersection over union; 0 for a missing subject."""
    if found is None:
        return 0.0
    (r, c, h, w), (br, bc, bh, bw) = found.box, box
    height = max(0, min(r + h, br + bh) - max(r, br))
    width = max(0, min(c + w, bc + bw) - max(c, bc))
    both = height * width
    return both / (h * w + bh * bw - both)


def _share(found: Found, look: np.ndarray) -> float:
    body = _body(found)
    return float((found.cells[body] == look[body]).mean())


def _body(found: Found) -> np.ndarray:
    """6×6 bool: cells in the subject's colours that nothing covers."""
    return (bitmap(found.kind) == 1) & (found.cells != HIDDEN)


@lru_cache
def _sprites(kind: str) -> list[np.ndarray]:
    return [sprite(kind, identity) for identity in all_identities()]
