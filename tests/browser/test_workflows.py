"""Every shipped workflow, the way a person opens and runs it."""

import json
from pathlib import Path

import pytest

from .canvas import BROKEN, OPEN, PROMPT, drop, ready, run, wait_for_nodes
from .conftest import WORKFLOWS

OLDER = Path(__file__).with_name("older")  # as version 0.1.0 shipped them


@pytest.mark.parametrize("name", WORKFLOWS)
def test_it_opens_and_is_its_prompt(page, shipped, name):
    graph, prompt = shipped(name)
    page.evaluate(OPEN, graph)
    wait_for_nodes(page, len(graph["nodes"]))
    assert page.evaluate(BROKEN) == [[], 0]
    assert page.evaluate(PROMPT) == prompt


def test_dropped_as_a_file(page, shipped):
    graph, prompt = shipped("two_subjects_uno")
    drop(page, "two_subjects_uno.json", "application/json", json.dumps(graph).encode())
    wait_for_nodes(page, len(graph["nodes"]))
    assert page.evaluate(PROMPT) == prompt


# the stock loader knows no SDXL but the full one: those graphs run through the API, with another loader
@pytest.mark.parametrize("name", [name for name in WORKFLOWS if not name.endswith("sdxl")])
def test_run_shows_pictures(page, shipped, server, name):
    graph, prompt = shipped(name)
    ready(page, graph)
    outputs = run(page)
    for node, inside in prompt.items():
        if inside["class_type"] == "SaveImage":
            assert len(outputs[node]["images"]) == (4 if name == "batch_of_four_uno" else 1)


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
def test_a_graph_saved_by_an_older_version_means_what_it_meant(page, name):
    """Widgets that came since get values that change nothing."""
    files = (OLDER / f"{name}.json", OLDER / f"{name}_api.json")
    graph, before = (json.loads(file.read_text()) for file in files)
    page.evaluate(OPEN, graph)
    wait_for_nodes(page, len(graph["nodes"]))
    now = page.evaluate(PROMPT)
    since = {
        "MusarConditioning": {"places": 0, "preset": "by hand", "negative_prompt": ""},
        "MusarRouting": {"evidence": "raw", "settings": "as the conditioning says"},
    }
    for node, inside in before.items():
        inside["inputs"] |= since.get(inside["class_type"], {})
        assert now[node]["inputs"] == inside["inputs"]
