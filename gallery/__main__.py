"""`make workflows`: the shipped graphs and subgraphs, in API form and in the form that ComfyUI opens,
from one source.

The second form is made by ComfyUI's own frontend in a browser: it knows how its nodes are written.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tools.browser import Browser
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT, ComfyServer, host_from_environment

from . import subgraph
from .graphs import every_graph
from .layout import laid_out
from .on_sprites import with_sprites
from .on_tiny import with_tiny_flux2
from .page import write_page
from .tables import write_tables
from .thumbnails import drawn_by_sprites, thumbnail

FOLDER = ROOT / "workflows"


def main() -> None:
    comfy, python = host_from_environment()
    use_comfy(comfy)
    write_tables()
    write_page()
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
            drawn = drawn_by_sprites(server, graph.prompt)
            (FOLDER / f"{graph.name}.jpg").write_bytes(thumbnail(server, graph.prompt, drawn))
            print(f"workflows/{graph.name}: {len(graph.prompt)} nodes")


if __name__ == "__main__":
    main()
