"""The record's figures, for whoever reads them off the server's history."""

from __future__ import annotations

from functools import reduce
from operator import add

from .maps import owners_over
from .record import Part


def shares_of(part: Part, count: int) -> list[dict]:
    """Of each picture: which share every subject owned, and the leak where it was measured."""
    steps = list(part.steps.values())
    measured = [step.leak for step in steps if step.leak]
    leaks = reduce(add, measured).shares.tolist() if measured else [None] * count
    owners = [owners_over(part, steps, i) for i in range(count)]
    return [
        {
            "subjects": part.names,
            "owned": [round(float((owner == k).float().mean()), 4) for k in range(len(part.names))],
            "leak": leak
            and [[None if x != x else round(x, 4) for x in row] for row in leak],  # NaN is no JSON
        }
        for owner, leak in zip(owners, leaks)
    ]
