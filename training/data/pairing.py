"""Rows in twos: of one kind, never of one subject, and as many as there can be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

Labels = Sequence[Hashable]


def pair_up(rows: Iterable[int], kinds: Labels, subjects: Labels) -> np.ndarray:
    """Pairs × 2 of the rows, no row twice: each row meets the first that waits for one of its kind.

    So partners are near each other in `rows`, and the pairs keep its order. The few of one subject that
    wait in the end are given partners by parting pairs without that subject.
    """
    pairs: list[tuple[int, int]] = []
    places: dict[Hashable, list[int]] = defaultdict(list)  # of a kind's pairs
    waiting: dict[Hashable, list[int]] = defaultdict(list)  # of a kind, always of one subject
    for row in rows:
        kind = kinds[row]
        queue = waiting[kind]
        if queue and subjects[queue[0]] != subjects[row]:
            places[kind].append(len(pairs))
            pairs.append((queue.pop(0), row))
        else:
            queue.append(row)
    for kind, queue in waiting.items():
        for place in places[kind]:
            if len(queue) < 2:
                break
            a, b = pairs[place]
            if subjects[queue[0]] not in (subjects[a], subjects[b]):
                pairs[place] = (queue.pop(0), a)
                pairs.append((queue.pop(0), b))
    return np.array(pairs, int).reshape(-1, 2)


def most_pairs(kinds: Labels, subjects: Labels) -> int:
    """How many pairs `pair_up` finds, whatever the order of the rows."""
    rows = Counter(kinds)
    largest: Counter[Hashable] = Counter()  # the subject with most rows, by kind
    for (kind, _), count in Counter(zip(kinds, subjects)).items():
        largest[kind] = max(largest[kind], count)
    return sum(min(rows[kind] // 2, rows[kind] - largest[kind]) for kind in rows)
