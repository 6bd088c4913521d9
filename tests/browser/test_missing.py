"""What the frontend tells a person who lacks the pack, or the files of a graph, from the graph itself."""

import pytest

from gallery.files import files_of
from gallery.layout import pack
from tools.comfy_server import ComfyServer, host_from_environment

from .canvas import OPEN

ROWS = "[data-testid^='missing-model-importable-rows'] > div"


def panel(page, graph):
    """Opened; the list of what is missing."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(OPEN, graph)
    page.get_by_text("View details").first.click()
    page.get_by_text("Missing Models").first.wait_for()


def named(page):
    """Name, folder and address of each file that the list offers."""
    found = set()
    for row in page.locator(ROWS).all():
        assert row.get_by_test_id("missing-model-download").count() == 1
        row.get_by_label("Copy URL").click()
        lines = row.inner_text().split("\n")  # name, how many nodes ask for it if several do, folder, button
        found.add(
            (lines[0], lines[lines.index("Download") - 1], page.evaluate("navigator.clipboard.readText()"))
        )
    return found


def wanted(prompt):
    """The address is that of the file's page, as the frontend copies it."""
    return {(file.name, file.folder, file.url.replace("/resolve/", "/blob/")) for file in files_of(prompt)}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A ComfyUI without this pack and without any file."""
    base = tmp_path_factory.mktemp("bare")
    for folder in ("custom_nodes", "input", "models", "output", "user"):
        (base / folder).mkdir()
    with ComfyServer(base, *host_from_environment(), own=base) as server:
        yield f"http://{server.address}"


def test_without_the_pack_the_browser_names_it_and_every_file(browser, bare, shipped):
    graph, prompt = shipped("boxes_uno")
    page = browser.open(url=bare)
    panel(page, graph)
    assert page.get_by_text(pack()["cnr_id"], exact=True).count() == 1
    assert named(page) == wanted(prompt)
    page.context.close()


def test_a_file_that_is_missing_on_one_of_our_nodes_is_named(browser, server, shipped):
    graph, prompt = shipped("five_subjects_uno")
    lora = server.base / "models" / "loras" / "uno_dit_lora.safetensors"
    lora.rename(away := server.base / lora.name)
    try:
        page = browser.open()
        panel(page, graph)
        assert named(page) == {file for file in wanted(prompt) if file[0] == lora.name}
        page.context.close()
    finally:
        away.rename(lora)
