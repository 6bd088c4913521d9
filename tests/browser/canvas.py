"""What a person does on the canvas, in words of the page."""

import base64
from itertools import combinations

OPEN = """async graph => {
  const app = window.app;
  const nodes = {...graph, extra: {...graph.extra, linearMode: false}};  // also where it opens as a form
  await app.loadGraphData(nodes, true, true, app.extensionManager.workflow.activeWorkflow);
}"""
EMPTY = "window.app.nodeOutputs = {}; window.app.graph.clear()"
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
BOXES = """async () => {
  // Title and [left, top, right, bottom] of every node, as they are drawn: of Nodes 2.0, its elements.
  const app = window.app, graph = app.canvas.graph, {ds} = app.canvas, out = [];
  const pause = () => new Promise(done => setTimeout(done, 200));
  const drawn = () => {
    const canvas = app.canvas.canvas.getBoundingClientRect();
    const all = [...document.querySelectorAll('[data-node-id]')].map(node => {
      const {x, y, width, height} = node.getBoundingClientRect();
      const at = [(x - canvas.x) / ds.scale - ds.offset[0], (y - canvas.y) / ds.scale - ds.offset[1]];
      return [graph.getNodeById(node.dataset.nodeId)?.title, ...at, width / ds.scale, height / ds.scale];
    });
    return all;
  };
  if (LiteGraph.vueNodesMode) {
    ds.scale = 1;  // far away it draws less
    for (let before = '', tries = 0; tries < 50; tries++) {
      await pause();
      out.splice(0, out.length, ...drawn());
      if (out.length === graph._nodes.length && JSON.stringify(out) === before) break;
      before = JSON.stringify(out);
    }
  } else for (const node of graph._nodes) out.push([node.title, ...node.getBounding(new Float32Array(4))]);
  const ends = [graph.inputNode, graph.outputNode].filter(node => node);  // of a subgraph
  for (const node of ends) out.push([node.title, ...node.boundingRect]);
  return out.map(([title, x, y, width, height]) => [title, [x, y, x + width, y + height]]);
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
SMALL = """steps => {
  const set = (type, values) => {
    for (const node of window.app.graph._nodes.filter(n => n.type === type))
      for (const [name, value] of Object.entries(values))
        node.widgets.find(w => w.name === name).value = value;
  };
  set('EmptySD3LatentImage', {width: 128, height: 128});
  for (const node of window.app.graph._nodes.filter(n => ['Width', 'Height'].includes(n.title)))
    node.widgets[0].value = 128;
  set('Flux2Scheduler', {steps: 2});
  set('KSampler', {steps});
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


def overlaps(page):
    """Pairs of nodes that lie on each other as they are drawn now, and how many nodes there are."""
    boxes = page.evaluate(BOXES)
    pairs = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1
    ]
    return pairs, len(boxes)


def wait_for_nodes(page, count):
    page.wait_for_function(f"window.app.graph._nodes.length === {count}", timeout=20000)


def run(page, button=None):
    """Press Run (or the form's button) and wait until the queue is empty again; the outputs by node id."""
    page.evaluate("""() => {
      window.done = new Promise((yes, no) => {
        window.app.api.addEventListener('execution_success', () => yes(), {once: true});
        window.app.api.addEventListener('execution_error', e => no(e.detail.exception_message), {once: true});
        window.app.api.addEventListener('execution_interrupted', () => no('interrupted'), {once: true});
      });
    }""")
    (button or page.get_by_test_id("queue-button")).click()
    page.evaluate("window.done")
    page.wait_for_timeout(800)
    return page.evaluate("window.app.nodeOutputs")


def ready(page, graph):
    """Opened, and made small enough for Sprites on a CPU."""
    page.evaluate(OPEN, graph)
    wait_for_nodes(page, len(graph["nodes"]))
    page.evaluate(SWAP_ENCODERS)
    page.evaluate(SMALL, 2)
