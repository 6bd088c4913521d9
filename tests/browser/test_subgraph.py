"""The ready-made subgraphs: found by their names, wired up, run."""

import json

import pytest
from playwright.sync_api import TimeoutError

from gallery.subgraph import EVERY
from tools.browser import CLASSIC, NODES_2, WAYS

from .canvas import BROKEN, OPEN, PROMPT, overlaps, run, wait_for_nodes

ENTER = """() => {
  const [face] = window.app.graph._nodes;
  window.app.canvas.openSubgraph(face.subgraph, face);
}"""

WIRE = """() => {
  const graph = window.app.graph, [face] = graph._nodes.filter(n => n.isSubgraphNode?.());
  let height = -60;
  const add = (type, values, to, name) => {
    const node = LiteGraph.createNode(type);
    graph.add(node);
    values.forEach((value, k) => { node.widgets[k].value = value });
    if (to) node.connect(0, to, to.inputs.findIndex(i => i.name === name));
    node.pos = [-440, height];
    node.size = [340, type === 'LoadImage' ? 314 : node.computeSize()[1]];
    height += node.size[1] + 90;
    return node;
  };
  const inside = face.inputs.some(i => i.name === 'dual_lora');
  const branches = ['sprites_dual_lora.safetensors', 'none', 1, 1];
  const lora = inside ? null : add('MusarDualLora', branches, face, 'model');
  add('UNETLoader', ['flux1-dev.safetensors'], lora ?? face, 'model').pos = [-840, -60];
  add('MusarDemoTextEncoder', ['t5xxl_fp16.safetensors'], face, 'clip').pos = [-840, 100];
  add('VAELoader', ['ae.safetensors'], face, 'vae').pos = [-840, 240];
  height = lora ? lora.pos[1] + lora.size[1] + 90 : -60;
  ['cat.png', 'robot.png', 'ball.png'].forEach((file, k) => {
    if (face.inputs.some(i => i.name === `image_${k + 1}`)) add('LoadImage', [file], face, `image_${k + 1}`);
  });
  face.pos = [-40, -60];
  const saved = add('SaveImage', ['musar/subgraph']);
  saved.pos = [440, -60];
  face.connect(0, saved, 0);
  const small = {width: 128, height: 128, steps: 8, reference_size: 64, preset: 'MUSAR'};
  for (const [name, value] of Object.entries(small)) face.widgets.find(w => w.name === name).value = value;
}"""


def plain(prompt, kind):
    """What a kind of node is told, without its links."""
    told = (n["inputs"] for n in prompt.values() if n["class_type"] == kind)
    return [{k: v for k, v in inputs.items() if not isinstance(v, list)} for inputs in told]


def search(page, name):
    """By a double click on the canvas, until the search is closed again."""
    page.mouse.dblclick(1200, 500)
    page.wait_for_timeout(500)
    page.keyboard.type(name)
    found = page.get_by_text(name, exact=True).first
    found.wait_for(timeout=10000)
    page.wait_for_timeout(1000)
    page.keyboard.press("Enter")
    page.get_by_role("search").wait_for(state="hidden", timeout=10000)


def place(page, name, tries=4):
    """Search, take it, lay it down: a busy page may miss a click or a key, as it may a person's."""
    for left in reversed(range(tries)):
        try:
            search(page, name)
            page.mouse.move(890, 290)
            page.mouse.click(900, 300)
            page.wait_for_function("window.app.graph._nodes.length === 1", timeout=10000)
            return
        except TimeoutError:
            if not left:
                raise
            page.keyboard.press("Escape")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ready", EVERY, ids=lambda ready: ready.name)
def test_no_nodes_overlap_inside(shared, ready):
    shared.evaluate(OPEN, json.loads(ready.file.read_text()))
    wait_for_nodes(shared, 1)
    shared.evaluate(ENTER)
    pairs, count = overlaps(shared)
    inside = shared.evaluate("window.app.canvas.graph._nodes.length")
    shared.evaluate("window.app.canvas.setGraph(window.app.graph)")
    assert (pairs, count) == ([], inside + 2), "its inputs and outputs are boxes too"
    assert inside == len(ready.graph.prompt) - len(ready.outside) - 1


@pytest.mark.parametrize(
    ("ready", "way"),
    [(ready, CLASSIC) for ready in EVERY] + [(EVERY[0], NODES_2)],
    ids=lambda of: of if isinstance(of, str) else of.name,
)
def test_found_wired_and_run(page, server, photograph, ready):
    assert ready.name in [entry["name"] for entry in server.json("/global_subgraphs").values()]
    place(page, ready.name)
    assert page.evaluate("window.app.graph._nodes[0].title") == ready.name
    assert page.evaluate(BROKEN) == [[], 0]
    alone = page.evaluate(PROMPT)
    for kind in ("MusarSubject", "MusarRouting", "MusarConditioning", "KSampler", "EmptySD3LatentImage"):
        assert plain(alone, kind) == plain(ready.graph.prompt, kind)
    page.evaluate(WIRE)
    (saved,) = (n for n, inside in page.evaluate(PROMPT).items() if inside["class_type"] == "SaveImage")
    assert len(run(page)[saved]["images"]) == 1
    assert overlaps(page)[0] == []
    if ready is EVERY[0]:
        photograph("subgraph", *page.evaluate("window.app.graph._nodes.map(n => n.type)"))
