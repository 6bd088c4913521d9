"""docs/gallery.md: every shipped graph with its picture, what it is for, and what it does otherwise."""

from __future__ import annotations

from typing import Any

from tools.comfy_server import ROOT

from . import subgraph
from .files import File, files_of
from .graph import SIDES, Graph
from .graphs import every_graph

PAGE = ROOT / "docs" / "gallery.md"
MODELS = ("diffusion_models", "checkpoints", "loras", "ipadapter")  # what a graph is built around
HEAD = """# Gallery

Made by `python -m gallery` from the graphs themselves, which are in ComfyUI's *Templates* under this pack's
name. Each picture is what the graph draws with the models of [Sprites](sprites.md); of SDXL and of the cached
graph it shows the references that the graph begins with. The last column says what a graph sets or has
otherwise than the first of its table.
"""
ABOUT = {  # what each graph is for
    "two_subjects_uno": "Two subjects in one picture.",
    "three_subjects_uno": "Three subjects.",
    "five_subjects_uno": "Four and more subjects on UNO.",
    "same_kind_uno": "Two subjects of one kind, named by the same word.",
    "boxes_uno": "Boxes say where each subject is to be.",
    "regions_uno": "Painted masks say where each subject is to be.",
    "several_views_uno": "A subject that two pictures show.",
    "routing_map_uno": "See who owned what, how strongly each subject called, and what leaked.",
    "image_to_image_uno": "Start from a picture of your own.",
    "refine_each_subject_uno": "Draw, then draw each subject's part anew with its reference alone.",
    "batch_of_four_uno": "Four pictures at once, each with owners of its own.",
    "two_subjects_kontext": "Two subjects, with no LoRA.",
    "three_subjects_kontext": "Three subjects, with no LoRA.",
    "one_subject_musar": "One subject, the paper's own way.",
    "two_subjects_musar": "Two subjects, the paper's own way.",
    "three_subjects_musar": "Three subjects, the paper's own way.",
    "same_kind_musar": "Two subjects of one kind, the paper's own way.",
    "anyms_two_subjects_flux": "Two subjects in boxes, by InstantX's adapter.",
    "anyms_six_subjects_flux": "Six subjects in boxes.",
    "anyms_two_subjects_sdxl": "Two subjects in boxes, on SDXL.",
    "anyms_six_subjects_sdxl": "Six subjects in boxes, on SDXL.",
    "anyms_with_musar": "Boxes for both: an image adapter, and MUSAR's dual LoRA with routing.",
    "try_sprites": "MUSAR on the small models of this repository: `make try-sprites` packs them.",
    "two_subjects_klein": "Two subjects in four steps: the graph to begin with.",
    "three_subjects_klein": "Three subjects in four steps.",
    "boxes_klein": "Boxes say where each subject may be.",
    "same_kind_klein": "Two subjects of one kind, with CFG and a negative that has the same references.",
    "five_subjects_klein": "Five subjects in four steps.",
    "five_subjects_klein_cached": "Five subjects, whose references are computed in the first step alone.",
    "two_subjects_flux2_dev": "Two subjects on the largest of them.",
}
OF_EACH = {"filename_prefix", "image", "noise_seed", "phrase", "prompt", "seed", "text"}  # of a picture
IN_PASSING = {"EmptySD3LatentImage", "EmptyFlux2LatentImage", "LoadImage"}  # nodes that go without saying


def write_page() -> None:
    PAGE.write_text(page(every_graph()))


def page(graphs: list[Graph]) -> str:
    """Graphs of the same models under one heading."""
    together: dict[tuple[File, ...], list[Graph]] = {}
    for graph in graphs:
        around = tuple(file for file in files_of(graph.prompt) if file.folder in MODELS)
        together.setdefault(around, []).append(graph)
    ready = [f"- **{one.name}**: {one.description}" for one in subgraph.EVERY]
    one_node = ["## As one node", "", "Subgraphs, found by their names on the canvas.", "", *ready, ""]
    return "\n".join([HEAD, *(_section(*both) for both in together.items()), *one_node])


def _section(around: tuple[File, ...], graphs: list[Graph]) -> str:
    first, *others = graphs
    files = ", ".join(_link(file) for file in files_of(first.prompt))
    rows = ["| | graph | what it is for | otherwise |", "|---|---|---|---|", _row(first, "")]
    rows += [_row(graph, differences(first.prompt, graph.prompt)) for graph in others]
    title = " + ".join(file.title for file in around)
    return "\n".join(
        [f"## {title[0].upper()}{title[1:]}", "", f"{files}.", "", f"{settings(first.prompt)}", "", *rows, ""]
    )


def _link(file: File) -> str:
    return f"[`{file.name}`]({file.url})" if file.url else f"`{file.name}` ({file.unpublished})"


def _row(graph: Graph, otherwise: str) -> str:
    about = ABOUT[graph.name]
    picture = f'<img src="../workflows/{graph.name}.jpg" width="160" alt="{graph.name}">'
    name = f"[`{graph.name}`](../workflows/{graph.name}.json)"
    return f"| {picture} | {name} | {about} | {otherwise} |"


def settings(prompt: dict[str, dict]) -> str:
    """How the first of its kind draws, in a line."""
    told = _told(prompt)
    named = ("preset", "reference_size", "guidance", "steps", "cfg", "width", "height")
    return ", ".join(f"`{name}` {told[name]}" for name in named if name in told) + "."


def differences(first: dict[str, dict], other: dict[str, dict]) -> str:
    """Settings that are others, sockets that are wired, and kinds of nodes that are there or not."""
    one, two = _told(first), _told(other)
    said = [f"`{name}` {value}" for name, value in two.items() if name in one and one[name] != value]
    before, after = _sockets(first), _sockets(other)
    said += [
        f"`{name}` wired"
        for kind in sorted(before.keys() & after.keys())
        for name in sorted(after[kind] - before[kind])
        if "." not in name  # of sockets that grow
    ]
    for word, kinds in (("with", after.keys() - before.keys()), ("without", before.keys() - after.keys())):
        if named := sorted(kinds - IN_PASSING):
            said.append(f"{word} {', '.join(f'*{kind}*' for kind in named)}")
    return "; ".join(said)


def _told(prompt: dict[str, dict]) -> dict[str, Any]:
    """What nodes are told by widgets, of each name the first."""
    out: dict[str, Any] = {}
    for node in prompt.values():
        side = node["_meta"]["title"].lower()
        for name, value in node["inputs"].items():
            name = side if side in SIDES else name
            if name not in OF_EACH and isinstance(value, str | int | float):
                out.setdefault(name, {True: "on", False: "off"}[value] if isinstance(value, bool) else value)
    return out


def _sockets(prompt: dict[str, dict]) -> dict[str, set[str]]:
    """By kind of node: the inputs that are wired."""
    out: dict[str, set[str]] = {}
    for node in prompt.values():
        wired = {name for name, value in node["inputs"].items() if isinstance(value, list)}
        out.setdefault(node["class_type"], set()).update(wired)
    return out
