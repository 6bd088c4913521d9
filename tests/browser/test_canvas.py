"""What a person sees while building and running: sockets that grow, help, errors, maps."""

from demo.painter import STEPS
from gallery.__main__ import laid_out
from gallery.graphs import every_graph
from gallery.on_sprites import as_sprites

from .canvas import ready, run

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
WATCH = """() => {
  window.shown = [];
  window.app.api.addEventListener('b_preview_with_metadata', e => window.shown.push(e.detail.nodeId));
}"""


def test_every_subject_brings_the_next_socket(page):
    assert page.evaluate(GROW, 3) == [1, 2, 3, 4]


def test_help_opens(page):
    page.evaluate(GROW, 1)
    page.evaluate(SELECT, "MusarConditioning")
    page.get_by_test_id("info-button").click()
    page.get_by_text("The prompt and its subjects as one conditioning").wait_for()
    page.wait_for_function(
        "document.querySelector('img[alt=\"The node with two subjects\"]')?.naturalWidth > 0"
    )


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


def test_the_routing_map_is_on_the_node_while_it_runs_and_in_the_preview_after(page, photograph):
    (graph,) = (g for g in every_graph() if g.name == "routing_map_uno")
    graph.prompt = as_sprites(graph.prompt)
    laid_out(graph, page)
    page.evaluate(WATCH)
    outputs = run(page)
    (routing,) = (i for i, node in graph.prompt.items() if node["class_type"] == "MusarRouting")
    assert page.evaluate("window.shown").count(routing) == STEPS, "once a step"
    assert [len(outputs[i]["images"]) for i in ("90", "91", "92", "93")] == [1, 1, 1, 1]
    for name in (*OURS, "MusarRoutingPreview"):
        photograph(name, name)
    photograph("nodes", "LoraLoaderModelOnly", *OURS)
    photograph("routing_map", "MusarRoutingPreview", "SaveImage", wait=1500)
    photograph("workflow", *{node["class_type"] for node in graph.prompt.values()})


def test_the_dual_lora_draws_and_the_preset_stands_on_the_node(page, photograph):
    (graph,) = (g for g in every_graph() if g.name == "two_subjects_musar")
    graph.prompt = as_sprites(graph.prompt)
    laid_out(graph, page)
    assert len(run(page)["81"]["images"]) == 1
    text = "2 subjects, routed · MUSAR: positions diagonal, static on"
    shown = "window.app.graph._nodes.flatMap(n => (n.widgets ?? []).map(w => String(w.value)))"
    assert text in page.evaluate(shown)
    photograph("MusarDualLora", "MusarDualLora")


def test_templates_list_the_workflows(server):
    listed = server.json("/workflow_templates")["comfyui-musar"]
    assert "two_subjects_uno" in listed and len(listed) >= 9
