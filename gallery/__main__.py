"""`make workflows`: the shipped graphs and subgraphs, in API form and in the form that ComfyUI opens,
from one source.

The second form is made by ComfyUI's own frontend in a browser: it knows how its nodes are written.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tools.browser import Browser
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT, ComfyServer, host_from_environment

from . import subgraph
from .app import form_of
from .graph import Graph
from .graphs import every_graph
from .on_sprites import with_sprites
from .on_tiny import with_tiny_flux2
from .thumbnails import draw_thumbnail

FOLDER = ROOT / "workflows"
GAP = 60  # pixels between nodes

LAY_OUT = """async ([prompt, columns, note, gap, extra]) => {
  const app = window.app;
  await app.loadApiJson(prompt, 'graph.json');
  const graph = app.graph, byId = new Map(graph._nodes.map(n => [String(n.id), n]));
  let x = 0, highest = 0;
  for (const ids of columns) {
    let y = 0, width = 0;
    for (const id of ids) {
      const node = byId.get(id);
      node.size = node.computeSize();
      node.size[0] = Math.max(node.size[0], node.type === 'MusarConditioning' ? 420 : 300);
      for (const widget of node.widgets ?? []) {
        const value = prompt[id].inputs[widget.name];
        if (value?.__value__) widget.value = value.__value__;
      }
      if (['LoadImage', 'SaveImage'].includes(node.type)) node.size[1] = 314;
      if (node.type === 'MusarRouting') node.size[1] += 240;  // room for its map
      if (node.type === 'CreateBoundingBoxes') node.size = [400, 520];
      if (node.type === 'MusarRoutingPreview') node.size = [340, 420];
      node.pos = [x, y];
      y += node.size[1] + gap;
      width = Math.max(width, node.size[0]);
    }
    x += width + gap;
    highest = Math.max(highest, y);
  }
  const words = LiteGraph.createNode('MarkdownNote');
  graph.add(words);
  words.widgets[0].value = note;
  words.size = [x - gap, 200];
  words.pos = [0, -260];
  const made = graph.serialize();
  return JSON.stringify({...made, extra}, null, 2);
}"""


def main() -> None:
    comfy, python = host_from_environment()
    use_comfy(comfy)
    for graph in every_graph():
        (FOLDER / "api" / f"{graph.name}.json").write_text(json.dumps(graph.prompt, indent=2) + "\n")
    with (
        tempfile.TemporaryDirectory() as base,
        ComfyServer(with_tiny_flux2(with_sprites(Path(base))), comfy, python) as server,
    ):
        with Browser(f"http://{server.address}") as browser:
            for graph in every_graph():
                (FOLDER / f"{graph.name}.json").write_text(laid_out(graph, browser.page) + "\n")
            for ready in subgraph.EVERY:
                browser.page.context.close()
                browser.open()  # a new page: widgets on a node's face remember those of the last graph
                laid_out(ready.graph, browser.page)
                subgraph.write_subgraph(ready, browser.page)
        for graph in every_graph():
            (FOLDER / f"{graph.name}.jpg").write_bytes(draw_thumbnail(server, graph.prompt))
            print(f"workflows/{graph.name}: {len(graph.prompt)} nodes")


def laid_out(graph: Graph, page: Page) -> str:
    """As ComfyUI saves it."""
    return page.evaluate(LAY_OUT, [graph.prompt, graph.columns, note(graph), GAP, form_of(graph)])


def note(graph: Graph) -> str:
    lines = [
        "Choose your own references in the Load Image nodes, name each subject in the prompt, and write "
        "that word into its `phrase`. More subjects: connect another MUSAR Subject to the next socket of "
        "MUSAR Conditioning.",
        *graph.notes,
        "Files and folders: README.",
    ]
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
