"""Chromium on a real ComfyUI server, with the models of Sprites under the names the workflows ask for."""

from __future__ import annotations

import json
import os

import pytest

from gallery.on_sprites import with_sprites
from gallery.on_tiny import with_tiny_flux2
from tools.browser import CLASSIC, NODES_2, Browser
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT, ComfyServer, host_from_environment

from .canvas import EMPTY, FRAME

WORKFLOWS = sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))


def pytest_configure(config):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.exit("COMFYUI_PATH is not set: run `make test-browser`, which fetches ComfyUI.", 2)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("comfy")
    comfy, python = host_from_environment()
    use_comfy(comfy)
    with_tiny_flux2(with_sprites(base))
    with ComfyServer(base, comfy, python) as running:
        yield running


@pytest.fixture(scope="session")
def browser(server):
    with Browser(f"http://{server.address}") as running:
        yield running


@pytest.fixture
def way():
    """In which nodes are drawn; a test that takes both is parametrised with `way`."""
    return CLASSIC


@pytest.fixture
def page(browser, way):
    """A page of its own, with an empty canvas."""
    opened = browser.open(way)
    yield opened
    opened.context.close()


@pytest.fixture(scope="session")
def kept(browser):
    """A page for each way, which tests leave as they found it: opening one takes seconds."""
    pages = {}

    def opened(way):
        if way not in pages:
            pages[way] = browser.open(way)
        return pages[way]

    return opened


@pytest.fixture
def shared(kept, way):
    """That page, with an empty canvas."""
    page = kept(way)
    page.evaluate(EMPTY)
    return page


@pytest.fixture
def photograph(page, way, tmp_path):
    """photograph("sockets", "MusarSubject", …): these kinds of nodes; none: the page as it is.

    `make screenshots` keeps it, as Nodes 2.0: a node's portrait beside its help, all others in docs/images.
    """
    kept = "SCREENSHOTS" in os.environ and way == NODES_2

    def take(name, *kinds, wait=500):
        part = {"clip": page.evaluate(FRAME, list(kinds))} if kinds else {}
        page.wait_for_timeout(wait)
        folder = ROOT / ("nodes/web/docs" if name.startswith("Musar") else "docs/images")
        page.screenshot(path=(folder if kept else tmp_path) / f"{name}.png", **part)

    return take


@pytest.fixture
def shipped():
    """shipped("two_subjects_uno"): the file in UI form, and its prompt."""

    def load(name):
        files = (ROOT / "workflows" / f"{name}.json", ROOT / "workflows" / "api" / f"{name}.json")
        return tuple(json.loads(file.read_text()) for file in files)

    return load
