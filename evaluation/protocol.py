"""What the paper draws: every subject with each of its prompts, 60 pairs, 20 triplets; four seeds each.

The paper names neither its pairs nor its triplets nor their prompts. Ours are picked by a seed: subjects of
different words, and one of the prompts that both kinds of subjects share in form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .dreambench import DreamBench, Subject

PARTS = {"single": 1, "pairs": 2, "triplets": 3}
COUNTS = {"pairs": 60, "triplets": 20}
SEEDS = 4


def rows_of(bench: DreamBench, part: str, seeds: int = SEEDS) -> Iterator[dict]:
    """prompt, seed, and of each subject reference_k (its first picture), phrase_k and words_k (a phrase)."""
    cases = _single(bench) if part == "single" else _several(bench, PARTS[part], COUNTS[part])
    for prompt, subjects in cases:
        for seed in range(seeds):
            row = {"prompt": prompt, "seed": seed}
            for k, subject in enumerate(subjects, 1):
                row |= {f"reference_{k}": _path(subject.pictures[0])}
                row |= {f"phrase_{k}": subject.kind, f"words_{k}": f"a {subject.kind}"}
            yield row


def _single(bench: DreamBench) -> Iterator[tuple[str, list[Subject]]]:
    for subject in bench.subjects:
        for prompt in bench.prompts[subject.live]:
            yield _said(prompt, [subject.kind]), [subject]


def _several(bench: DreamBench, size: int, count: int) -> Iterator[tuple[str, list[Subject]]]:
    rng, taken = np.random.default_rng(size), set()
    prompts = [p for p in bench.prompts[True] if p in bench.prompts[False]] or bench.prompts[False]
    while len(taken) < count:
        picked = sorted(rng.choice(len(bench.subjects), size, replace=False).tolist())
        subjects = [bench.subjects[i] for i in picked]
        if tuple(picked) in taken or len({s.kind for s in subjects}) < size:
            continue
        taken.add(tuple(picked))
        yield _said(prompts[rng.integers(len(prompts))], [s.kind for s in subjects]), subjects


def _said(prompt: str, kinds: Sequence[str]) -> str:
    """'a {0} {1} in the jungle' -> 'a dog and a backpack in the jungle'."""
    first, *more = kinds
    who = first + "".join(f"{' and' if kind is more[-1] else ','} a {kind}" for kind in more)
    return " ".join(prompt.replace("{0}", "").replace("{1}", who).split())


def _path(file: Path) -> str:
    return str(file.resolve())
