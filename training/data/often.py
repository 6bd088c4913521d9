"""How often a run comes back to the same examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .feed import Feed

OFTEN = 10  # times; more is told before a run begins
NAMES = {"single": "single subjects", "random": "diptychs", "same": "diptychs of one kind"}


def often(config: dict, feeds: Sequence[Feed], processes: int, least: float = OFTEN) -> Iterator[str]:
    """A line for each stage and mode whose examples come `least` times and more."""
    for number, (stage, feed) in enumerate(zip(config["stages"], feeds), 1):
        examples = stage["steps"] * config["batch"] * config["accumulation"] * processes
        for mode, there in feed.order.lengths.items():
            share = stage["mix"][mode]
            asked = share / sum(stage["mix"].values()) * examples
            times = asked / there
            if times >= least:
                yield (
                    f"Stage {number}: {asked:,.0f} times one of the data's {there:,} {NAMES[mode]}: "
                    f"each about {times:,.1f} times."
                )
