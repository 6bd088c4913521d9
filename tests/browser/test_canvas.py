"""What a person sees while building and running: sockets that grow, help, errors, maps."""

import pytest

from demo.painter import STEPS
from gallery.graphs import every_graph
from gallery.layout import laid_out
from gallery.on_sprites import as_sprites
from tools.browser import NODES_2, WAYS

from .canvas import PROMPT, overlaps, ready, run

OURS = ("MusarSubject", "MusarRouting", "MusarConditioning")
GROW = """async count => {
  const graph = window.app.graph, conditioning = LiteGraph.createNode('MusarConditioning');
  graph.add(conditioning);
  conditioning.pos = [560, 160];
  const sockets = () => conditioning.inputs.filter(i => i.name.startsWith('subjects.'));
  const seen = [sockets().length];
  for (let k = 0; k < count; k++) {
    const subject = LiteGraph.createNode('MusarSubject');
    graph.add(subject);
    subject.pos = [100, 160 + 270 * k];
    subject.connect(0, conditioning, conditioning.inputs.indexOf(sockets().find(i => i.link == null)));
    await new Promise(done => setTimeout(done, 300));
    seen.push(sockets().length);
  }
  return seen;
}"""
SELECT = """type => {
  const app = window.app;
  app.canvas.ds.offset = [80, 330];  // the buttons above the node are on the page
  app.canvas.selectNode(app.graph._nodes.find(n => n.type === type));
  app.canvas.setDirty(true, true);
}"""
LOOK_AT = """id => {
  const {canvas, graph} = window.app, [x, y] = graph.getNodeById(id).pos;
  canvas.ds.scale = 1;
  canvas.ds.offset = [500 - x, 120 - y];
  canvas.setDirty(true, true);
}"""
WATCH = """() => {
  window.shown = [];
  window.app.api.addEventListener('b_preview_with_metadata', e => window.shown.push(e.detail.nodeId));
}"""


def test_every_subject_brings_the_next_socket(shared):
    assert shared.evaluate(GROW, 3) == [1, 2, 3, 4]


def test_help_opens(page):
    page.evaluate(GROW, 1)
    page.evaluate(SELECT, "MusarConditioning")
    page.get_by_test_id("info-button").click()
    page.get_by_text("The prompt and its subjects as one conditioning").wait_for()
    page.wait_for_function(
        "document.querySelector('img[alt=\"The node with two subjects\"]')?.naturalWidth > 0"
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_phrase_is_a_sentence(page, shipped):
    graph, _ = shipped("two_subjects_uno")
    ready(page, graph)
    page.evaluate("""() => {
      const subject = window.app.graph._nodes.find(n => n.type === 'MusarSubject');
      subject.widgets.find(w => w.name === 'phrase').value = 'penguin';
    }""")
    page.get_by_test_id("queue-button").click()
    page.get_by_text("MUSAR Conditioning failed").wait_for(timeout=60000)
    page.get_by_text("View details").first.click()
    page.get_by_text("The phrase 'penguin' is needed in the prompt", exact=False).first.wait_for()


@pytest.mark.parametrize("way", WAYS)
def test_the_routing_map_is_on_the_node_while_it_runs_and_in_the_preview_after(page, photograph, way):
    (graph,) = (g for g in every_graph() if g.name == "routing_map_uno")
    graph.prompt = as_sprites(graph.prompt)
    graph.prompt["9"]["inputs"]["seed"] = 1 + WAYS.index(way)  # what is cached shows no maps
    laid_out(graph, page)
    page.evaluate(WATCH)
    outputs = run(page)
    (routing,) = (i for i, node in graph.prompt.items() if node["class_type"] == "MusarRouting")
    assert page.evaluate("window.shown").count(routing) == STEPS, "once a step"
    assert [len(outputs[i]["images"]) for i in ("90", "91", "92", "93")] == [1, 1, 1, 1]
    assert overlaps(page) == ([], len(graph.prompt) + 1), "with the maps on them"
    if way == NODES_2:
        assert all(page.locator(f'[data-node-id="{i}"] img').count() for i in (routing, "90"))
    for name in (*OURS, "MusarRoutingPreview"):
        photograph(name, name)
    photograph("nodes", "LoraLoaderModelOnly", *OURS)
    photograph("routing_map", "MusarRoutingPreview", "SaveImage", wait=1500)
    photograph("workflow", *{node["class_type"] for node in graph.prompt.values()})


@pytest.mark.parametrize("way", [NODES_2])
def test_the_dual_lora_draws_and_the_preset_stands_on_the_node(page, photograph):
    (graph,) = (g for g in every_graph() if g.name == "two_subjects_musar")
    graph.prompt = as_sprites(graph.prompt)
    laid_out(graph, page)
    assert len(run(page)["81"]["images"]) == 1
    text = "2 subjects, routed · MUSAR: positions diagonal, static on"
    shown = "window.app.graph._nodes.flatMap(n => (n.widgets ?? []).map(w => String(w.value)))"
    assert text in page.evaluate(shown)
    photograph("MusarDualLora", "MusarDualLora")


@pytest.mark.parametrize("way", [NODES_2])  # the other way shows boxes and cannot draw them
def test_boxes_are_drawn_by_hand(page, shipped):
    graph, _ = shipped("boxes_uno")
    ready(page, graph)
    (editor,) = (n for n in graph["nodes"] if n["type"] == "CreateBoundingBoxes")
    page.evaluate(LOOK_AT, editor["id"])
    inside = page.locator(f'[data-node-id="{editor["id"]}"]')
    inside.get_by_text("Clear all").click()
    sheet = inside.locator("canvas").bounding_box()
    wanted = [(0.1, 0.2, 0.4, 0.8), (0.5, 0.3, 0.9, 0.9)]  # left, top, right, bottom: parts of the canvas
    for left, top, right, bottom in wanted:
        page.mouse.move(sheet["x"] + left * sheet["width"], sheet["y"] + top * sheet["height"])
        page.mouse.down()
        page.mouse.move(sheet["x"] + right * sheet["width"], sheet["y"] + bottom * sheet["height"], steps=4)
        page.mouse.up()
    told = page.evaluate(PROMPT)[str(editor["id"])]["inputs"]
    drawn = told["editor_state"]["__value__"]
    assert [pytest.approx(corners, abs=0.02) for corners in wanted] == [
        (
            box["x"] / told["width"],
            box["y"] / told["height"],
            (box["x"] + box["width"]) / told["width"],
            (box["y"] + box["height"]) / told["height"],
        )
        for box in drawn
    ]
    assert len(run(page)["81"]["images"]) == 1


def test_templates_list_the_workflows(server):
    listed = server.json("/workflow_templates")["comfyui-musar"]
    assert "two_subjects_uno" in listed and len(listed) >= 9
