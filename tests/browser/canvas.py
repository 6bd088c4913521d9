"""What a person does on the canvas, in words of the page."""

import base64

OPEN = "async graph => { await window.app.loadGraphData(graph, true, true, 'shipped') }"
PROMPT = "async () => (await window.app.graphToPrompt()).output"
BROKEN = """() => {
  const graph = window.app.graph, ids = new Set(graph._nodes.map(n => n.id));
  const unknown = graph._nodes.filter(n => !LiteGraph.registered_node_types[n.type]).map(n => n.type);
  const links = [...graph.links.values()].filter(l => !ids.has(l.origin_id) || !ids.has(l.target_id));
  return [unknown, links.length];
}"""
DROP = """async ([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, {type}));
  const canvas = document.querySelector('#graph-canvas');
  const where = {bubbles: true, cancelable: true, dataTransfer: carried, clientX: 900, clientY: 500};
  canvas.dispatchEvent(new DragEvent('dragover', where));
  canvas.dispatchEvent(new DragEvent('drop', where));
}"""
FRAME = """async kinds => {
  // Nothing but these nodes, as large as the page allows; the part of the page they take.
  const app = window.app, setting = app.extensionManager.setting;
  await setting.set('Comfy.Minimap.Visible', false);
  await setting.set('Comfy.RightSidePanel.IsOpen', false);
  app.canvas.deselectAll();
  const nodes = app.graph._nodes.filter(n => !kinds.length || kinds.includes(n.type));
  const low = k => Math.min(...nodes.map(n => n.pos[k])), [left, top] = [low(0), low(1) - 52];
  const [wide, high] = [0, 1].map(k => Math.max(...nodes.map(n => n.pos[k] + n.size[k])) - [left, top][k]);
  const scale = Math.min(1.2, 1780 / wide, 880 / high), [x, y, rim] = [90, 140, 8];
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [x / scale - left, y / scale - top];
  app.canvas.setDirty(true, true);
  return {x: x - rim, y: y - rim, width: wide * scale + 2 * rim, height: high * scale + 2 * rim};
}"""
SMALL = """() => {
  const set = (type, values) => {
    for (const node of window.app.graph._nodes.filter(n => n.type === type))
      for (const [name, value] of Object.entries(values))
        node.widgets.find(w => w.name === name).value = value;
  };
  set('EmptySD3LatentImage', {width: 128, height: 128});
  set('EmptyFlux2LatentImage', {width: 128, height: 128});
  set('Flux2Scheduler', {width: 128, height: 128, steps: 2});
  set('KSampler', {steps: 8});
  set('MusarConditioning', {reference_size: 64});
  for (const node of window.app.graph._nodes.filter(n => n.type === 'CreateBoundingBoxes')) {
    const [width, height] = ['width', 'height'].map(s => node.widgets.find(w => w.name === s).value);
    for (const kind of ['MusarConditioning', 'AnymsLayout'])
      set(kind, {canvas_width: width, canvas_height: height});
  }
}"""
SWAP_ENCODERS = """() => {
  const graph = window.app.graph;
  const kinds = {CLIPLoader: 'Text', DualCLIPLoader: 'Text', CLIPVisionLoader: 'Vision'};
  for (const old of graph._nodes.filter(n => n.type in kinds)) {
    const small = LiteGraph.createNode(`MusarDemo${kinds[old.type]}Encoder`);
    graph.add(small);
    small.pos = [...old.pos];
    small.widgets[0].value = old.type === 'DualCLIPLoader' ? 't5xxl_fp16.safetensors' : old.widgets[0].value;
    for (const id of [...old.outputs[0].links]) {
      const link = graph.links.get ? graph.links.get(id) : graph.links[id];
      small.connect(0, graph.getNodeById(link.target_id), link.target_slot);
    }
    graph.remove(old);
  }
}"""


def drop(page, name, kind, content):
    page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])


def wait_for_nodes(page, count):
    page.wait_for_function(f"window.app.graph._nodes.length === {count}", timeout=20000)


def run(page):
    """Press Run and wait until the queue is empty again; the outputs by node id."""
    page.evaluate("""() => {
      window.done = new Promise((yes, no) => {
        window.app.api.addEventListener('execution_success', () => yes(), {once: true});
        window.app.api.addEventListener('execution_error', e => no(e.detail.exception_message), {once: true});
      });
    }""")
    page.get_by_test_id("queue-button").click()
    page.evaluate("window.done")
    page.wait_for_timeout(800)
    return page.evaluate("window.app.nodeOutputs")


def ready(page, graph):
    """Opened, and made small enough for Sprites on a CPU."""
    page.evaluate(OPEN, graph)
    wait_for_nodes(page, len(graph["nodes"]))
    page.evaluate(SWAP_ENCODERS)
    page.evaluate(SMALL)
