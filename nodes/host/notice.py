"""Tell the user, on the node, how many subjects there are and whether anything routes them."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

ROUTING = "MusarRouting"
UNROUTED = (
    "No MUSAR Routing in this workflow: the references run into each other. Put MUSAR Routing "
    "between the model loader and the sampler."
)

log = logging.getLogger("musar")


def show_status(hidden: io.HiddenHolder, subjects: int) -> dict | None:
    """Writes onto the node, over what stood there; the warning is its UI output as well."""
    prompt, node = hidden.dynprompt, hidden.unique_id
    if prompt is None:
        return None
    routed = is_routed({i: prompt.get_node(i) for i in prompt.all_node_ids()}, node)
    text = f"{subjects} subject{'s' * (subjects != 1)}, routed" if routed else UNROUTED
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(text, prompt.get_display_node_id(node), server.client_id)
    if routed:
        return None
    log.warning(UNROUTED)
    return {"text": [UNROUTED]}


def routing_in_queue() -> str:
    """Changes when MUSAR Routing comes into or leaves the graph, so that the node's text does too."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return "unknown"
    for item in server.prompt_queue.get_current_queue_volatile()[0]:
        if item[1] == context.prompt_id and context.node_id in item[2]:
            return str(is_routed(item[2], context.node_id))
    return "unknown"


def is_routed(graph: dict[str, dict], node: str) -> bool:
    """Does anything that uses this node's output also use, however far up, a MUSAR Routing?"""
    users: dict[str, set[str]] = {}
    sources: dict[str, set[str]] = {}
    for i, n in graph.items():
        for value in n["inputs"].values():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in graph:
                users.setdefault(str(value[0]), set()).add(i)
                sources.setdefault(i, set()).add(str(value[0]))
    seen = _reach(_reach([node], users), sources)
    return any(graph[i]["class_type"] == ROUTING for i in seen)


def _reach(start: Iterable[str], links: dict[str, set[str]]) -> set[str]:
    seen, left = set(), list(start)
    while left:
        i = left.pop()
        if i not in seen:
            seen.add(i)
            left += links.get(i, ())
    return seen
