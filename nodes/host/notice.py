"""Tell the user, on the node, that subjects were given but nothing routes them."""

from __future__ import annotations

import logging

from comfy_execution.utils import get_executing_context
from server import PromptServer

ROUTING = "MusarRouting"
UNROUTED = (
    "No MUSAR Routing in this workflow: the references run into each other. Put MUSAR Routing "
    "between the model loader and the sampler."
)

log = logging.getLogger("musar")


def warn_unrouted(hidden) -> dict | None:
    """The node's UI output, if the graph has subjects and no MUSAR Routing."""
    prompt = hidden.dynprompt
    if prompt is None or any(prompt.get_node(i)["class_type"] == ROUTING for i in prompt.all_node_ids()):
        return None
    log.warning(UNROUTED)
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(UNROUTED, prompt.get_display_node_id(hidden.unique_id), server.client_id)
    return {"text": [UNROUTED]}


def routing_in_queue() -> str:
    """Changes when MUSAR Routing comes into or leaves the graph, so that the warning does too."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return "unknown"
    for item in server.prompt_queue.get_current_queue_volatile()[0]:
        if item[1] == context.prompt_id:
            return str(any(node["class_type"] == ROUTING for node in item[2].values()))
    return "unknown"
