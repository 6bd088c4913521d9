"""With the interface in Chinese our nodes are Chinese too, and so is their help."""

from tools.comfy_server import ROOT
from tools.locales import read_locale

from .test_canvas import SELECT

CHOOSE = "language => window.app.extensionManager.setting.set('Comfy.Locale', language)"
NAMED = """title => window.app?.graph && window.LiteGraph?.registered_node_types?.MusarSubject
  && LiteGraph.createNode('MusarSubject').title === title"""
INPUTS = """() => {
  const node = LiteGraph.createNode('MusarSubject');
  window.app.graph.clear();
  window.app.graph.add(node);
  return node.inputs.map(i => i.localized_name ?? i.label ?? i.name);
}"""
LOADED = "about => document.querySelector(`img[alt='${about}']`)?.naturalWidth > 0"


def test_nodes_and_their_help_speak_the_interfaces_language(page, photograph):
    said = read_locale("zh")["MusarSubject"]
    help_page = (ROOT / "nodes" / "web" / "docs" / "MusarSubject" / "zh.md").read_text().splitlines()
    page.evaluate(CHOOSE, "zh")
    try:
        page.reload(wait_until="load")
        page.wait_for_function(NAMED, arg=said["display_name"])
        page.wait_for_timeout(1500)  # as Browser.open does: it still opens what was open before
        shown = page.evaluate(INPUTS)
        page.evaluate(SELECT, "MusarSubject")
        page.get_by_test_id("info-button").click()
        page.get_by_text(help_page[-1].split("**")[1]).wait_for()
        page.wait_for_function(LOADED, arg="两个主体和它们的主体词")
        photograph("chinese")
    finally:
        page.evaluate(CHOOSE, "en")
    assert {said["inputs"][name]["name"] for name in ("image", "mask", "region")} <= set(shown)
