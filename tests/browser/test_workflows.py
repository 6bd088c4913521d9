"""Every shipped workflow, the way a person opens and runs it."""

import json
from pathlib import Path

import pytest

from tools.browser import CLASSIC, NODES_2, WAYS
from tools.comfy_server import ROOT

from .canvas import BROKEN, OPEN, PROMPT, drop, overlaps, ready, run, wait_for_nodes
from .conftest import WORKFLOWS

OLDER = Path(__file__).with_name("older")  # as version 0.1.0 shipped them
ANEW = """step => {  // what the server has kept shows no texts and maps
  for (const node of window.app.graph._nodes.filter(n => n.type === 'MusarConditioning'))
    node.widgets.find(w => w.name === 'guidance').value += step;
}"""
DRAWN = """nodes => nodes.every(
  id => document.querySelector(`[data-node-id="${id}"] img`)?.naturalWidth > 0
)"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_it_opens_and_is_its_prompt_and_no_nodes_overlap(shared, shipped, name):
    graph, prompt = shipped(name)
    shared.evaluate(OPEN, graph)
    wait_for_nodes(shared, len(graph["nodes"]))
    assert shared.evaluate(BROKEN) == [[], 0]
    assert shared.evaluate(PROMPT) == prompt
    assert overlaps(shared) == ([], len(graph["nodes"]))


def test_dropped_as_a_file(page, shipped):
    graph, prompt = shipped("two_subjects_uno")
    drop(page, "two_subjects_uno.json", "application/json", json.dumps(graph).encode())
    wait_for_nodes(page, len(graph["nodes"]))
    assert page.evaluate(PROMPT) == prompt


def few_of(names):
    """Graphs that together hold every kind of node there is in all of these."""
    prompts = {name: json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text()) for name in names}
    kinds = {name: {node["class_type"] for node in prompt.values()} for name, prompt in prompts.items()}
    few, left = [], set().union(*kinds.values())
    while left:
        few.append(max(names, key=lambda name: len(kinds[name] & left)))
        left -= kinds[few[-1]]
    return few


# a server test runs try_sprites, and those of SDXL with another loader: the stock one knows the full size
RUN = [name for name in WORKFLOWS if name != "try_sprites" and not name.endswith("sdxl")]


@pytest.mark.parametrize("name, way", [(n, NODES_2) for n in RUN] + [(n, CLASSIC) for n in few_of(RUN)])
def test_run_shows_pictures(shared, shipped, way, name):
    graph, prompt = shipped(name)
    ready(shared, graph)
    shared.evaluate(ANEW, 0.01 * WAYS.index(way))
    outputs = run(shared)
    saved = [n for n, inside in prompt.items() if inside["class_type"] == "SaveImage"]
    for node in saved:
        assert len(outputs[node]["images"]) == (4 if name == "batch_of_four_uno" else 1)
    if way == NODES_2:
        shared.wait_for_function(DRAWN, arg=saved)
    assert overlaps(shared) == ([], len(graph["nodes"])), "with pictures and texts on them"


def test_a_picture_brings_its_workflow(page, shipped, server):
    graph, _ = shipped("two_subjects_uno")
    ready(page, graph)
    drawn = page.evaluate(PROMPT)
    (image,) = run(page)["81"]["images"]
    folder = server.base / "output" / image["subfolder"]
    page.evaluate("window.app.graph.clear()")
    drop(page, image["filename"], "image/png", (folder / image["filename"]).read_bytes())
    wait_for_nodes(page, len(graph["nodes"]))
    again = page.evaluate(PROMPT)
    assert {n["class_type"] for n in again.values()} == {n["class_type"] for n in drawn.values()}


@pytest.mark.parametrize("name", ["two_subjects_kontext", "boxes_uno"])
def test_a_graph_saved_by_an_older_version_means_what_it_meant(shared, name):
    """Widgets that came since get values that change nothing."""
    files = (OLDER / f"{name}.json", OLDER / f"{name}_api.json")
    graph, before = (json.loads(file.read_text()) for file in files)
    shared.evaluate(OPEN, graph)
    wait_for_nodes(shared, len(graph["nodes"]))
    now = shared.evaluate(PROMPT)
    since = {
        "MusarConditioning": {"places": 0, "preset": "by hand", "negative_prompt": "", "layout_until": 0},
        "MusarRouting": {
            "evidence": "raw",
            "settings": "as the conditioning says",
            "owners_by": "phrase",
            "remember": False,
            "smooth": False,
        },
    }
    for node, inside in before.items():
        inside["inputs"] |= since.get(inside["class_type"], {})
        assert now[node]["inputs"] == inside["inputs"]
