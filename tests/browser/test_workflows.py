"""Every shipped workflow, the way a person opens and runs it."""

import base64
import json

import pytest

from .conftest import WORKFLOWS

OPEN = "async graph => { await window.app.loadGraphData(graph, true, true, 'shipped') }"
PROMPT = "async () => (await window.app.graphToPrompt()).output"
BROKEN = """() => {
  const graph = window.app.graph, ids = new Set(graph._nodes.map(n => n.id));
  const unknown = graph._nodes.filter(n => !LiteGraph.registered_node_types[n.type]).map(n => n.type);
  const links = [...graph.links.values()].filter(l => !ids.has(l.origin_id) || !ids.has(l.target_id));
  return [unknown, links.length];
}"""
DROP = """async ([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, {type}));
  const canvas = document.querySelector('#graph-canvas');
  const where = {bubbles: true, cancelable: true, dataTransfer: carried, clientX: 900, clientY: 500};
  canvas.dispatchEvent(new DragEvent('dragover', where));
  canvas.dispatchEvent(new DragEvent('drop', where));
}"""
SMALL = """() => {
  const set = (type, values) => {
    for (const node of window.app.graph._nodes.filter(n => n.type === type))
      for (const [name, value] of Object.entries(values))
        node.widgets.find(w => w.name === name).value = value;
  };
  set('EmptySD3LatentImage', {width: 128, height: 128});
  set('KSampler', {steps: 8});
  set('MusarConditioning', {reference_size: 64});
}"""
SWAP_ENCODER = """() => {
  const graph = window.app.graph, old = graph._nodes.find(n => n.type === 'DualCLIPLoader');
  const small = LiteGraph.createNode('MusarDemoTextEncoder');
  graph.add(small);
  small.pos = [...old.pos];
  small.widgets[0].value = 't5xxl_fp16.safetensors';
  for (const id of [...old.outputs[0].links]) {
    const link = graph.links.get ? graph.links.get(id) : graph.links[id];
    small.connect(0, graph.getNodeById(link.target_id), link.target_slot);
  }
  graph.remove(old);
}"""


def drop(page, name, kind, content):
    page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])


def wait_for_nodes(page, count):
    page.wait_for_function(f"window.app.graph._nodes.length === {count}", timeout=20000)


def run(page):
    """Press Run and wait until the queue is empty again; the outputs by node id."""
    page.evaluate("""() => {
      window.done = new Promise((yes, no) => {
        window.app.api.addEventListener('execution_success', () => yes(), {once: true});
        window.app.api.addEventListener('execution_error', e => no(e.detail.exception_message), {once: true});
      });
    }""")
    page.get_by_test_id("queue-button").click()
    page.evaluate("window.done")
    page.wait_for_timeout(800)
    return page.evaluate("window.app.nodeOutputs")


def ready(page, graph):
    """Opened, and made small enough for Sprites on a CPU."""
    page.evaluate(OPEN, graph)
    wait_for_nodes(page, len(graph["nodes"]))
    page.evaluate(SWAP_ENCODER)
    page.evaluate(SMALL)


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


@pytest.mark.parametrize("name", WORKFLOWS)
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
