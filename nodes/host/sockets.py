"""The sockets of subjects, which grow as they are wired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

LIMIT = 16
NAMES = [f"subject_{i}" for i in range(1, LIMIT + 1)]
Wired = TypeVar("Wired")


def wired(subjects: Mapping[str, Wired] | None, surplus: Mapping) -> dict[str, Wired]:
    """By socket, in their order. ValueError for `surplus`, links that the schema does not have."""
    if surplus:  # the host hands them on
        raise ValueError(
            f"{', '.join(surplus)} cannot be used: subjects go from subjects.subject_1 to "
            f"subjects.subject_{LIMIT}, {LIMIT} at most."
        )
    return {name: subjects[name] for name in NAMES if (subjects or {}).get(name) is not None}
