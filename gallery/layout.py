"""Where the nodes of a graph stand, by the sizes that ComfyUI's frontend gives them.

It draws nodes in two ways: on its canvas, and as Nodes 2.0, which makes most of them taller. A graph is
measured in both, and has room for the larger.
"""

from __future__ import annotations

import tomllib

from playwright.sync_api import Page

from tools.comfy_server import ROOT

from .app import form_of
from .files import files_of, models
from .graph import Graph

GAP, TITLE = 60, 30  # pixels between nodes; of a node's bar above its position
NOTE = 200  # pixels of the note, above all
SOCKETS = {"MusarConditioning": "MUSAR Conditioning", "AnymsLayout": "MUSAR AnyMS Layout"}
GROWS = {"MusarConditioning": 60}  # pixels that a run adds: what is in force stands on it

FILL = """async ([prompt, note, models, pack]) => {
  const app = window.app;
  await app.loadApiJson(prompt, 'graph.json');
  const graph = app.graph;
  for (const node of graph._nodes) {
    node.size = node.computeSize();
    node.size[0] = Math.max(node.size[0], node.type === 'MusarConditioning' ? 420 : 300);
    for (const widget of node.widgets ?? []) {
      const value = prompt[node.id].inputs[widget.name];
      if (value?.__value__) widget.value = value.__value__;
    }
    if (['LoadImage', 'SaveImage'].includes(node.type)) node.size[1] = 314;
    if (node.type === 'MusarRouting') node.size[1] += 240;  // room for its map
    if (node.type === 'CreateBoundingBoxes') {
      node.size = [400, 520];
      Object.assign(node.properties, {cnr_id: 'comfy-core', ver: '0.30.0'});  // older hosts then say so
    }
    if (node.type === 'MusarRoutingPreview') node.size = [340, 420];
    if (node.title === 'Seed') node.widgets[1].value = 'randomize';
    const theirs = LiteGraph.registered_node_types[node.type].nodeData.python_module;
    if (theirs === `custom_nodes.${pack.cnr_id}`) Object.assign(node.properties, pack);
    if (models[node.id]) node.properties.models = models[node.id];
  }
  const words = LiteGraph.createNode('MarkdownNote');
  graph.add(words);
  words.widgets[0].value = note;
  return graph._nodes.map(node => [String(node.id), node.type, [...node.size]]);
}"""
DRAW = """async modern => {
  const app = window.app, setting = app.extensionManager.setting, name = 'Comfy.VueNodes.Enabled';
  const before = setting.get(name);
  await setting.set(name, modern);
  app.canvas.ds.scale = 1;
  return before;
}"""
HEIGHTS = """async () => {
  // As Nodes 2.0, once every node is there and none has changed for a while.
  const pause = () => new Promise(done => setTimeout(done, 250));
  const heights = () => Object.fromEntries([...document.querySelectorAll('[data-node-id]')].map(
    node => [node.dataset.nodeId, Math.ceil(node.getBoundingClientRect().height / window.app.canvas.ds.scale)]
  ));
  for (let before = '', tries = 0; tries < 80; tries++) {
    await pause();
    const now = heights();
    const all = Object.keys(now).length === window.app.graph._nodes.length;
    if (all && JSON.stringify(now) === before) return now;
    before = JSON.stringify(now);
  }
  throw Error('Nodes 2.0 did not come to rest.');
}"""
PLACE = """([places, extra]) => {
  for (const [id, pos, size] of places) Object.assign(window.app.graph.getNodeById(id), {pos, size});
  const made = window.app.graph.serialize();
  return JSON.stringify({...made, extra}, null, 2);
}"""


def laid_out(graph: Graph, page: Page) -> str:
    """As ComfyUI saves it; the page shows it, drawn in the way it was."""
    filled = page.evaluate(FILL, [graph.prompt, note(graph), models(graph.prompt), pack()])
    before = page.evaluate(DRAW, True)
    heights = page.evaluate(HEIGHTS)
    page.evaluate(DRAW, False)
    made = page.evaluate(PLACE, [places(graph.columns, filled, heights), form_of(graph)])
    if before:
        page.evaluate(DRAW, True)
    return made


def places(columns: list[list[str]], filled: list, heights: dict[str, int]) -> list[list]:
    """Id, position and size of every node: columns from left to right, the note over all of them."""
    sizes = {number: size for number, _, size in filled}
    room = {
        number: max(size[1], heights[number] - TITLE) + GROWS.get(kind, 0) for number, kind, size in filled
    }
    out, x = [], 0
    for column in columns:
        y = 0
        for number in column:
            out.append([number, [x, y], sizes[number]])
            y += room[number] + GAP
        x += max(sizes[number][0] for number in column) + GAP
    words = filled[-1][0]
    return [*out, [words, [0, -NOTE - GAP], [x - GAP, NOTE]]]


def pack() -> dict[str, str]:
    """By which a person who lacks this pack is told which one it is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"cnr_id": project["name"], "ver": project["version"]}


def note(graph: Graph) -> str:
    return "\n\n".join([*_your_own(graph), *graph.notes, *_missing(graph)])


def _your_own(graph: Graph) -> list[str]:
    """How to put one's own subjects into it; a graph of small models says itself what it can draw."""
    kinds = {node["class_type"] for node in graph.prompt.values()}
    if "MusarDemoTextEncoder" in kinds:
        return []
    named = "name each subject in the prompt"
    sockets = [SOCKETS[kind] for kind in SOCKETS if kind in kinds]
    if "MusarConditioning" in kinds:
        named += ", and write that word into its `phrase`"
    told = [n["inputs"].get("prompt") for n in graph.prompt.values() if n["class_type"] == "MusarSubject"]
    if "MusarConditioning" in kinds and any(told):
        named += " and what its picture shows into its `prompt`"
    box = ", and draw a box for it" if "AnymsLayout" in kinds else ""
    return [
        f"Choose your own references in the Load Image nodes, and {named}. Load Image drops transparency: "
        "of a cut-out, connect its MASK through Invert Mask to `mask`. More subjects: connect another MUSAR "
        f"Subject to the next socket of {' and of '.join(sockets)}{box}."
    ]


def _missing(graph: Graph) -> list[str]:
    """Of files: that they are listed, and what a download alone does not do."""
    if not any(file.url for file in files_of(graph.prompt)):
        return []  # it says itself where they come from
    said = ["ComfyUI lists the files that are missing, with their folders and addresses."]
    for file in files_of(graph.prompt):
        if file.url and file.published != file.name:
            said.append(f"Save `{file.published}` as `{file.name}`.")
        if file.gated:
            said.append(f"The licence of {file.repository} has to be accepted there first.")
    return [" ".join(said)]
