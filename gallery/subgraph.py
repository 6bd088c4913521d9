"""The ready-made subgraphs: shipped graphs whose middle is one node, made by ComfyUI's own frontend."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tools.comfy_server import ROOT

from .bases import MUSAR, UNO, Base
from .graph import Graph, draw
from .graphs import BALL, CAT, ROBOT, THREE, TWO

CATEGORY = "MUSAR"


@dataclass(frozen=True)
class Ready:
    """One subgraph."""

    name: str  # of its file, which is what the frontend shows; its search looks at 32 letters at most
    base: Base
    subjects: tuple[tuple[str, str], ...]
    words: str

    @property
    def file(self) -> Path:
        return ROOT / "subgraphs" / f"{self.name}.json"

    @property
    def graph(self) -> Graph:
        return draw(self.name, self.base, list(self.subjects), self.words)

    @property
    def description(self) -> str:
        count = {2: "Two", 3: "Three"}[len(self.subjects)]
        if self.base.dual:
            model = "a FLUX model, its text encoder and VAE"
            choose = "choose the MUSAR dual LoRA, write the prompt, "
        else:
            model = "FLUX.1-dev with UNO's LoRA (or Kontext, with its preset), its text encoder and VAE"
            choose = "write the prompt "
        return (
            f"{count} references in one picture. Connect {model}, and {count.lower()} pictures; {choose}and "
            "the word in it that names each of them."
        )

    @property
    def outside(self) -> list[str]:
        """Nodes that stay out of it: loaders."""
        pictures = [f"{k}0" for k in range(1, len(self.subjects) + 1)]
        return ["1", "4", "5", *pictures, *([] if self.base.dual else ["2"])]

    @property
    def face(self) -> dict[str, list[str]]:
        """Name on the node's face: what it stands for inside."""
        every = range(1, len(self.subjects) + 1)
        lora = {"dual_lora": ["2 subject_lora"]} if self.base.dual else {}
        prompts = {f"condition_prompt_{k}": [f"{k}1 prompt"] for k in every} if self.base.dual else {}
        return {
            "model": ["2 model" if self.base.dual else "3 model"],
            "clip": ["6 clip"],
            "vae": ["6 vae", "80 vae"],
            **{f"image_{k}": [f"{k}1 image"] for k in every},
            **lora,
            "prompt": ["6 prompt"],
            **{f"phrase_{k}": [f"{k}1 phrase"] for k in every},
            **prompts,
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


EVERY = (
    Ready("MUSAR two references", UNO, (CAT, ROBOT), TWO),
    Ready("MUSAR three references", UNO, (CAT, ROBOT, BALL), THREE),
    Ready("MUSAR dual LoRA two references", MUSAR, (CAT, ROBOT), TWO),
)
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
  drop(graph._nodes.find(n => n.type === 'SaveImage'));
  node.pos = [0, 0];
  node.size = [420, node.computeSize()[1] + 120];
  const made = graph.serialize();
  const own = made.definitions.subgraphs.find(one => one.name === name);
  Object.assign(own, {category: about.category, description: about.description});
  return JSON.stringify({...made, extra: {BlueprintDescription: about.description}}, null, 2);
}"""


def write_subgraph(ready: Ready, page: Page) -> None:
    """The page shows its graph; afterwards the one node."""
    about = {"category": CATEGORY, "description": ready.description}
    text = page.evaluate(PACK, [ready.outside, ready.face, ready.name, about]) + "\n"
    for k, found in enumerate(dict.fromkeys(UUID.findall(text))):  # the same file every time
        text = text.replace(found, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{ready.name} {k}")))
    ready.file.write_text(text)
