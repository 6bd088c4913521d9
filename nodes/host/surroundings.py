"""Of a graph, the nodes that have to do with one of them: by the wires, not by what lies about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def surroundings(graph: Mapping[str, Mapping], node: str) -> list[Mapping]:
    """All nodes that are used, however far up, by whatever uses this node's output together with a model.

    What comes after that one, a sampler or a guider, is another matter.
    """
    users: dict[str, set[str]] = {}
    sources: dict[str, set[str]] = {}
    for i, n in graph.items():
        for value in n["inputs"].values():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in graph:
                users.setdefault(str(value[0]), set()).add(i)
                sources.setdefault(i, set()).add(str(value[0]))
    ends = {i for i, n in graph.items() if isinstance(n["inputs"].get("model"), list)}
    return [graph[i] for i in _reach(_reach([node], users, ends), sources)]


def _reach(start: Iterable[str], links: dict[str, set[str]], ends: Collection[str] = ()) -> set[str]:
    """What can be reached along the links, not going on from the ends."""
    seen, left = set(), list(start)
    while left:
        i = left.pop()
        if i not in seen:
            seen.add(i)
            left += () if i in ends else links.get(i, ())
    return seen
