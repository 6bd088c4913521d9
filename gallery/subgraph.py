"""The ready-made subgraph: a shipped graph whose middle is one node, made by ComfyUI's own frontend."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import Page

from tools.comfy_server import ROOT

from .bases import UNO
from .graph import Graph, draw
from .graphs import CAT, ROBOT, TWO

NAME = "MUSAR two references"  # the frontend shows the file's name
FILE = ROOT / "subgraphs" / f"{NAME}.json"
CATEGORY = "MUSAR"
DESCRIPTION = (
    "Two references in one picture. Connect a FLUX model that reads references, its text encoder and VAE, "
    "and two pictures; write the prompt and the word in it that names each of them."
)
OUTSIDE = ("1", "2", "4", "5", "10", "20")  # loaders
FACE = {  # name on the node's face: what it stands for inside
    "model": ["3 model"],
    "clip": ["6 clip"],
    "vae": ["6 vae", "80 vae"],
    "image_1": ["11 image"],
    "image_2": ["21 image"],
    "prompt": ["6 prompt"],
    "phrase_1": ["11 phrase"],
    "phrase_2": ["21 phrase"],
    "width": ["8 width"],
    "height": ["8 height"],
    "seed": ["9 seed"],
    "steps": ["9 steps"],
    "sampler_name": ["9 sampler_name"],
    "scheduler": ["9 scheduler"],
    "guidance": ["6 guidance"],
    "reference_size": ["6 reference_size"],
    "preset": ["6 preset"],
    "dynamic": ["3 dynamic"],
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

PACK = """([outside, face, name, about]) => {
  const graph = window.app.graph;
  const drop = node => graph.remove(node);
  graph._nodes.filter(n => outside.includes(String(n.id)) || n.type === 'MarkdownNote').forEach(drop);
  const inside = graph._nodes.filter(n => n.type !== 'SaveImage');
  const {subgraph, node} = graph.convertToSubgraph(new Set(inside));
  [...subgraph.inputs].forEach(input => subgraph.removeInput(input));  // the frontend's own choice
  for (const [label, places] of Object.entries(face)) {
    const slots = places.map(place => {
      const [id, name] = place.split(' ');
      const inner = subgraph._nodes.find(n => String(n.id) === id);
      return [inner.inputs.find(i => i.name === name), inner];
    });
    const input = subgraph.addInput(label, slots[0][0].type);
    for (const [slot, inner] of slots) input.connect(slot, inner);
  }
  subgraph.name = node.title = name;
  subgraph.extra = {...subgraph.extra, ...about};
  drop(graph._nodes.find(n => n.type === 'SaveImage'));
  node.pos = [0, 0];
  node.size = [420, node.computeSize()[1] + 120];
  const made = graph.serialize();
  return JSON.stringify({...made, extra: {}}, null, 2);
}"""


def graph() -> Graph:
    return draw("two_references", UNO, [CAT, ROBOT], TWO)


def write_subgraph(page: Page) -> None:
    """The page shows `graph()`; afterwards the one node."""
    about = {"BlueprintCategory": CATEGORY, "BlueprintDescription": DESCRIPTION}
    text = page.evaluate(PACK, [list(OUTSIDE), FACE, NAME, about]) + "\n"
    for k, found in enumerate(dict.fromkeys(UUID.findall(text))):  # the same file every time
        text = text.replace(found, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{NAME} {k}")))
    FILE.write_text(text)
