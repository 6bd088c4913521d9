"""Tell the user, on the node, how many subjects there are, whether anything routes them, and how."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

from .families import FAMILIES, Preset
from .trained import differences, facts_of

ROUTING, LORA, SUBJECT = "MusarRouting", "MusarDualLora", "MusarSubject"
NONE = "none"  # of MUSAR Dual LoRA
SETTINGS, FOLLOWS, BY_HAND = "settings", "as the conditioning says", "by hand"  # of MUSAR Routing
UNROUTED = (
    "No MUSAR Routing in this workflow: the references run into each other. Put MUSAR Routing "
    "between the model loader and the sampler."
)

log = logging.getLogger("musar")


def show_status(
    hidden: io.HiddenHolder, subjects: int, positions: str, preset: Preset | None = None
) -> dict | None:
    """Writes onto the node, over what stood there; warnings are its UI output as well."""
    prompt, node = hidden.dynprompt, hidden.unique_id
    if prompt is None:
        return None
    around = surroundings({i: prompt.get_node(i) for i in prompt.all_node_ids()}, node)
    warnings = warnings_of(around, positions, preset)
    plural = "s" * (subjects != 1)
    well = f"{subjects} subject{plural}, routed" + (f" · {preset}" if preset else "")
    text = UNROUTED if warnings == [UNROUTED] else " ".join([f"{well}." if warnings else well, *warnings])
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(text, prompt.get_display_node_id(node), server.client_id)
    for warning in warnings:
        log.warning(warning)
    return {"text": warnings} if warnings else None


def warnings_of(around: Iterable[Mapping], positions: str, preset: Preset | None) -> list[str]:
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
    loras = [node["inputs"] for node in around if node["class_type"] == LORA]
    dual = {name: facts for inputs in loras for name, facts in _dual_file(inputs).items()}
    alone = [inputs for inputs in loras if inputs.get("noise_lora", NONE) == NONE]
    if preset and dual and not preset.dual:
        found.append(
            f"{next(iter(dual))} is a MUSAR dual LoRA, and the preset is {preset.name}. Set preset to MUSAR, "
            "or take MUSAR Dual LoRA out."
        )
    else:
        graph = in_force(around, positions, preset)
        for name, facts in dual.items():
            if other := differences(facts, graph):
                found.append(f"{name} was trained with {'; with '.join(other)}. Expect less of it.")
    if preset and preset.off_prompt and not dual and (alone or not loras):
        found.append(
            f"The preset {preset.name} takes UNO's file in MUSAR Dual LoRA, as subject_lora and as "
            f"noise_lora, and {'noise_lora is none' if loras else 'there is none'}. Choose it there "
            "instead of in Load LoRA, or set preset to UNO."
        )
    if preset and preset.dual and not loras:
        found.append(
            f"The preset {preset.name} is for a MUSAR dual LoRA, and none is connected. Add MUSAR Dual "
            "LoRA, or choose the preset of the weights you use."
        )
    return found


def in_force(around: Iterable[Mapping], positions: str, preset: Preset | None) -> dict[str, Any]:
    """What a LoRA may have been trained with otherwise; None = not known before it runs."""
    routing = next(node["inputs"] for node in around if node["class_type"] == ROUTING)
    follows = preset is not None and routing.get(SETTINGS, BY_HAND) == FOLLOWS
    told = {"static": preset.static if follows else routing.get("static"), "dynamic": routing.get("dynamic")}
    owners_by = preset.owners_by if follows else routing.get("owners_by", "phrase")
    prompts = [node["inputs"].get("prompt", "") for node in around if node["class_type"] == SUBJECT]
    known = [prompt for prompt in prompts if isinstance(prompt, str)]
    return {
        "positions": positions,
        **{name: value if isinstance(value, bool) else None for name, value in told.items()},
        "owners_by": owners_by if isinstance(owners_by, str) else None,
        "condition_prompts": all(p.strip() for p in known) if known else None,
    }


def _dual_file(inputs: Mapping) -> dict[str, dict[str, Any]]:
    """Of a MUSAR Dual LoRA, the file that says it was trained as one, and how."""
    name = inputs.get("subject_lora")
    path = folder_paths.get_full_path("loras", name) if isinstance(name, str) else None
    facts = facts_of(Path(path)) if path else None
    return {} if facts is None else {name: facts}


def said_in_queue(positions: str, preset: str) -> str:
    """Changes with what the node's text tells of other nodes, so that the text changes too."""
    graph, node = _queued()
    if graph is None:
        return "unknown"
    around = surroundings(graph, node)
    chosen = [p for family in FAMILIES for p in family.presets if p.name == preset]  # of either model
    told = [warnings_of(around, p.positions, p) for p in chosen]
    return str(told or warnings_of(around, positions, None))


def is_wired(output: int) -> bool:
    """Does any node use this output of the one that runs? True where the graph is not known."""
    graph, node = _queued()
    return graph is None or any([node, output] in n["inputs"].values() for n in graph.values())


def _queued() -> tuple[Mapping[str, Mapping] | None, str]:
    """The graph that the server runs now, and the node in it."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is not None and server is not None:
        for item in server.prompt_queue.get_current_queue_volatile()[0]:
            if item[1] == context.prompt_id and context.node_id in item[2]:
                return item[2], context.node_id
    return None, ""


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
