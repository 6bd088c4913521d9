"""Tell the user, on the node, how many subjects there are, whether anything routes them, and how."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import folder_paths
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

from .families import FAMILIES, Preset
from .lora_files import is_dual

ROUTING, LORA = "MusarRouting", "MusarDualLora"
SETTINGS, FOLLOWS, BY_HAND = "settings", "as the conditioning says", "by hand"  # of MUSAR Routing
UNROUTED = (
    "No MUSAR Routing in this workflow: the references run into each other. Put MUSAR Routing "
    "between the model loader and the sampler."
)

log = logging.getLogger("musar")


def show_status(hidden: io.HiddenHolder, subjects: int, preset: Preset | None = None) -> dict | None:
    """Writes onto the node, over what stood there; warnings are its UI output as well."""
    prompt, node = hidden.dynprompt, hidden.unique_id
    if prompt is None:
        return None
    around = surroundings({i: prompt.get_node(i) for i in prompt.all_node_ids()}, node)
    warnings = warnings_of(around, preset)
    plural = "s" * (subjects != 1)
    well = f"{subjects} subject{plural}, routed" + (f" · {preset}" if preset else "")
    text = UNROUTED if warnings == [UNROUTED] else " ".join([f"{well}." if warnings else well, *warnings])
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(text, prompt.get_display_node_id(node), server.client_id)
    for warning in warnings:
        log.warning(warning)
    return {"text": warnings} if warnings else None


def warnings_of(around: Iterable[Mapping], preset: Preset | None) -> list[str]:
    """What does not go together, of the nodes that share a sampler with the conditioning."""
    around = list(around)
    routing = [node["inputs"] for node in around if node["class_type"] == ROUTING]
    if not routing:
        return [UNROUTED]
    found = []
    by_hand = [inputs for inputs in routing if inputs.get(SETTINGS, BY_HAND) == BY_HAND]
    if preset and any(inputs.get("static") == (not preset.static) for inputs in by_hand):
        found.append(
            f"MUSAR Routing is set by hand to static {'off' if preset.static else 'on'}, and the preset "
            f"{preset.name} wants it {'on' if preset.static else 'off'}. The hand wins: set its settings to "
            f"'{FOLLOWS}', or the preset to by hand."
        )
    dual = [name for node in around if node["class_type"] == LORA for name in _dual_files(node["inputs"])]
    if preset and dual and not preset.dual:
        found.append(
            f"{dual[0]} is a MUSAR dual LoRA, and the preset is {preset.name}. Set preset to MUSAR, "
            "or take MUSAR Dual LoRA out."
        )
    if preset and preset.dual and not any(node["class_type"] == LORA for node in around):
        found.append(
            f"The preset {preset.name} is for a MUSAR dual LoRA, and none is connected. Add MUSAR Dual "
            "LoRA, or choose the preset of the weights you use."
        )
    return found


def _dual_files(inputs: Mapping) -> list[str]:
    """Of a MUSAR Dual LoRA, the file that says it was trained as one."""
    name = inputs.get("subject_lora")
    path = folder_paths.get_full_path("loras", name) if isinstance(name, str) else None
    return [name] if path and is_dual(Path(path)) else []


def said_in_queue(preset: str) -> str:
    """Changes with what the node's text tells of other nodes, so that the text changes too."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return "unknown"
    chosen = next((p for family in FAMILIES for p in family.presets if p.name == preset), None)
    for item in server.prompt_queue.get_current_queue_volatile()[0]:
        if item[1] == context.prompt_id and context.node_id in item[2]:
            return str(warnings_of(surroundings(item[2], context.node_id), chosen))
    return "unknown"


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
