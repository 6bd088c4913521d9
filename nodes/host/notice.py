"""Tell the user, on the node, how many subjects there are, whether anything routes them, and how."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

from .advice import ANYMS, better, unplaced
from .families import FAMILIES, Family, Preset
from .settings import Settings
from .surroundings import surroundings
from .trained import differences, facts_of, on_off

ROUTING, LORA, SUBJECT = "MusarRouting", "MusarDualLora", "MusarSubject"
NONE = "none"  # of MUSAR Dual LoRA
SETTINGS, FOLLOWS, BY_HAND = "settings", "as the conditioning says", "by hand"  # of MUSAR Routing
UNNAMED = {  # in old prompts
    "evidence": Settings.rule,
    "owners_by": Settings.owners_by,
    "remember": Settings.remember,
    "smooth": Settings.smooth,
}
UNROUTED = (
    "No MUSAR Routing in this workflow: the references run into each other. Put MUSAR Routing "
    "between the model loader and the sampler."
)

FORGETFUL = (
    "KSampler (Efficient) gives its last picture again while prompt, seed and model are the same: it does "
    "not see that references, boxes or strengths changed. Use KSampler."
)

log = logging.getLogger("musar")


def show_status(
    hidden: io.HiddenHolder,
    subjects: int,
    positions: str,
    preset: Preset | None,
    family: Family,
    bound: bool,
    until: float,
) -> dict | None:
    """Writes onto the node, over what stood there; warnings are its UI output as well."""
    prompt, node = hidden.dynprompt, hidden.unique_id
    if prompt is None:
        return None
    around = surroundings({i: prompt.get_node(i) for i in prompt.all_node_ids()}, node)
    warnings = warnings_of(around, positions, preset, family)
    plural = "s" * (subjects != 1)
    well = f"{subjects} subject{plural}, routed · {preset or told_by_hand(around, positions)}"
    well += better(family, preset, subjects) + unplaced(around, family, bound, until)
    text = UNROUTED if warnings == [UNROUTED] else " ".join([f"{well}." if warnings else well, *warnings])
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(text, prompt.get_display_node_id(node), server.client_id)
    for warning in warnings:
        log.warning(warning)
    return {"text": warnings} if warnings else None


def told_by_hand(around: Iterable[Mapping], positions: str) -> str:
    """As a preset tells what it sets."""
    static = in_force(around, positions, None).get("static")
    said = "" if static is None else f", static {on_off(static)}"
    return f"{BY_HAND}: positions {positions}{said}"


def warnings_of(
    around: Iterable[Mapping], positions: str, preset: Preset | None, family: Family | None = None
) -> list[str]:
    """What does not go together, of the nodes that share a sampler with the conditioning."""
    around = list(around)
    routing = [node["inputs"] for node in around if node["class_type"] == ROUTING]
    if not routing:
        return [UNROUTED]
    found = []
    by_hand = [inputs for inputs in routing if inputs.get(SETTINGS, BY_HAND) == BY_HAND]
    for inputs in by_hand if preset else ():
        if other := otherwise(inputs, preset.routing):
            here, wanted = (", ".join(f"{name} {on_off(v)}" for name, v in told.items()) for told in other)
            found.append(
                f"MUSAR Routing is set by hand to {here}, and the preset {preset.name} wants {wanted}. The "
                f"hand wins: set its settings to '{FOLLOWS}', or the preset to {BY_HAND}."
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
    if any("Efficient)" in node["class_type"] or "(Eff.)" in node["class_type"] for node in around):
        found.append(FORGETFUL)
    if family and not preset and not loras:
        found += strange_by_hand(family, in_force(around, positions, None))
    if preset and preset.lora:
        found += no_lora(around, preset)
    if preset and preset.off_prompt and not dual and (alone or not loras):
        found.append(
            f"The preset {preset.name} takes UNO's file in MUSAR Dual LoRA, as subject_lora and as "
            f"noise_lora, and {'noise_lora is none' if loras else 'there is none'}. Choose it there "
            "instead of in Load LoRA, or set preset to UNO."
        )
    if preset and preset.off_prompt and (twice := _twice(around, loras)):
        found.append(
            f"{twice} is in MUSAR Dual LoRA and in another node as well, so that it acts twice, and on the "
            "prompt too. Take it out of the other node."
        )
    if preset and preset.dual and not loras:
        found.append(
            f"The preset {preset.name} is for a MUSAR dual LoRA, and none is connected. Add MUSAR Dual "
            "LoRA, or choose the preset of the weights you use."
        )
    return found


def _twice(around: Iterable[Mapping], loras: Iterable[Mapping]) -> str:
    """The file of a MUSAR Dual LoRA that another node loads, too."""
    files = {inputs.get("subject_lora") for inputs in loras} - {NONE, None}
    others = (n["inputs"].values() for n in around if n["class_type"] != LORA)
    return next((v for values in others for v in values if isinstance(v, str) and v in files), "")


def otherwise(inputs: Mapping, wanted: Mapping) -> tuple[dict, dict] | None:
    """What widgets say and what is wanted, where that is not the same; what is wired nobody knows yet."""
    here = {name: inputs.get(name, UNNAMED.get(name)) for name in wanted}
    other = {n: v for n, v in here.items() if isinstance(v, bool | str) and v != wanted[n]}
    return (other, {name: wanted[name] for name in other}) if other else None


def strange_by_hand(family: Family, told: Mapping[str, Any]) -> list[str]:
    """What no weights of a family want that need no MUSAR Dual LoRA. Where those differ in positions, every
    choice of it may be somebody's."""
    usual = [preset for preset in family.presets if not (preset.dual or preset.off_prompt)]
    positions, statics = {preset.positions for preset in usual}, {preset.static for preset in usual}
    here = (told["positions"], told["static"])
    if here[1] is None or here[1] in statics and (len(positions) > 1 or here[0] in positions):
        return []
    several = len(positions) > 1
    wanted = "; ".join(str(preset) for preset in (usual if several else usual[:1]))
    seen = "" if several else " On Sprites this was worse than no routing."
    return [
        f"Set by hand to positions {here[0]} and static {on_off(here[1])}: {family.name} without MUSAR Dual "
        f"LoRA wants another preset ({wanted}), unless yours was trained so.{seen} Choose it here, and the "
        f"settings '{FOLLOWS}' in MUSAR Routing."
    ]


def no_lora(around: Iterable[Mapping], preset: Preset) -> list[str]:
    """Whoever loads LoRAs, in whatever pack, says so in its name or its inputs'."""
    around = list(around)
    if any("lora" in name.lower() for n in around for name in (n["class_type"], *n["inputs"])):
        return []
    files = (value for n in around for value in n["inputs"].values() if isinstance(value, str))
    kontext = next((f for f in files if "kontext" in f.lower() and f.endswith((".safetensors", ".gguf"))), "")
    if kontext:
        return [
            f"The preset is {preset.name}, and {kontext} wants the preset 'Kontext, one place'. Choose it "
            "here."
        ]
    return [
        f"The preset {preset.name} is for its LoRA, and no LoRA is in this workflow: FLUX.1-dev alone does "
        "not read references. Put Load LoRA (model only) before MUSAR Routing, unless it is merged in."
    ]


def in_force(around: Iterable[Mapping], positions: str, preset: Preset | None) -> dict[str, Any]:
    """What a LoRA may have been trained with otherwise; None = not known before it runs."""
    routing = next((node["inputs"] for node in around if node["class_type"] == ROUTING), {})
    follows = preset is not None and routing.get(SETTINGS, BY_HAND) == FOLLOWS
    told = {"static": preset.static if follows else routing.get("static"), "dynamic": routing.get("dynamic")}
    owners_by = preset.owners_by if follows else routing.get("owners_by", Settings.owners_by)
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
    kinds = {node["class_type"] for node in around}
    told = told or [warnings_of(around, positions, None), told_by_hand(around, positions), LORA in kinds]
    return str([*told, ANYMS in kinds])


def is_wired(output: int) -> bool:
    """Does any node use this output of the one that runs? True where the graph is not known."""
    graph, node = _queued()
    return graph is None or any([node, output] in n["inputs"].values() for n in graph.values())


def _queued() -> tuple[Mapping[str, Mapping] | None, str]:
    """The graph that the server runs now, and the node in it."""
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is not None and server is not None:
        for _, number, graph, *_ in server.prompt_queue.get_current_queue_volatile()[0]:
            if number == context.prompt_id and context.node_id in graph:
                return graph, context.node_id
    return None, ""
