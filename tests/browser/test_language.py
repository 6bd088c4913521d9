"""With the interface in Chinese our nodes are Chinese too."""

from tools.locales import read_locale

CHOOSE = "language => window.app.extensionManager.setting.set('Comfy.Locale', language)"
NAMED = """title => window.app?.graph && window.LiteGraph?.registered_node_types?.MusarSubject
  && LiteGraph.createNode('MusarSubject').title === title"""
INPUTS = """() => {
  const node = LiteGraph.createNode('MusarSubject');
  window.app.graph.add(node);
  return node.inputs.map(i => i.localized_name ?? i.label ?? i.name);
}"""


def test_nodes_speak_the_interfaces_language(page):
    said = read_locale("zh")["MusarSubject"]
    page.evaluate(CHOOSE, "zh")
    try:
        page.reload(wait_until="load")
        page.wait_for_function(NAMED, arg=said["display_name"])
        shown = page.evaluate(INPUTS)
    finally:
        page.evaluate(CHOOSE, "en")
    assert {said["inputs"][name]["name"] for name in ("image", "mask", "region")} <= set(shown)
