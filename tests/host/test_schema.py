"""What the user sees of a node before running it."""

import asyncio
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODES = (
    "MusarSubject",
    "MusarConditioning",
    "MusarRouting",
    "MusarDualLora",
    "MusarRoutingPreview",
    "AnymsAdapterLoader",
    "AnymsLayout",
    "AnymsLayoutPreview",
)


def test_the_pack_brings_these_nodes_and_no_others(pack, nodes):
    extension = asyncio.run(pack("nodes").comfy_entrypoint())
    ids = [n.define_schema().node_id for n in asyncio.run(extension.get_node_list())]
    ours = [n for n in nodes if n.startswith(("Musar", "Anyms")) and "Demo" not in n]
    assert sorted(ids) == sorted(NODES) == sorted(ours)


@pytest.mark.parametrize("node_id", NODES)
def test_described(nodes, node_id):
    schema = nodes[node_id].define_schema()
    assert schema.category == "MUSAR" and schema.display_name.startswith("MUSAR ")
    assert len(schema.description) > 40 and len(schema.search_aliases) >= 3
    for socket in (*schema.inputs, *schema.outputs):
        assert socket.tooltip and socket.tooltip.endswith("."), f"{node_id}.{socket.id} has no tooltip"


@pytest.mark.parametrize("node_id", NODES)
def test_help_page_names_every_input(nodes, node_id):
    page = (ROOT / "nodes" / "web" / "docs" / f"{node_id}.md").read_text()
    for socket in nodes[node_id].define_schema().inputs:
        assert f"`{socket.id}`" in page, f"the help of {node_id} does not mention {socket.id}"


@pytest.mark.parametrize("node_id", NODES)
def test_a_prompt_without_an_input_means_what_it_meant(nodes, node_id):
    """That is: the default that it had, which is the schema's but where a later one is better for new nodes.
    `boxes` is a socket, and empty."""
    told = inspect.signature(nodes[node_id].execute).parameters
    inputs = {i.id: getattr(i, "default", None) for i in nodes[node_id].define_schema().inputs}
    left_out = {n: p.default for n, p in told.items() if p.default is not p.empty and n in inputs}
    left_out.pop("boxes", None)
    other = {name: default for name, default in left_out.items() if default != inputs[name]}
    assert other == ({"settings": "by hand"} if node_id == "MusarRouting" else {})


def test_names_that_shared_graphs_rely_on(nodes):
    names = {n: [i.id for i in nodes[n].define_schema().inputs] for n in NODES}
    assert names["MusarSubject"] == ["image", "prompt", "phrase", "strength", "mask", "region"]
    assert names["MusarConditioning"] == [
        "clip",
        "vae",
        "prompt",
        "subjects",
        "reference_size",
        "positions",
        "guidance",
        "boxes",
        "canvas_width",
        "canvas_height",
        "places",
        "preset",
        "negative_prompt",
        "layout_until",
    ]
    assert names["MusarRouting"] == [
        "model",
        "static",
        "dynamic",
        "start_percent",
        "end_percent",
        "start_block",
        "end_block",
        "accumulate",
        "leak",
        "evidence",
        "settings",
        "owners_by",
        "remember",
        "smooth",
    ]
    assert names["MusarDualLora"] == [
        "model",
        "subject_lora",
        "noise_lora",
        "subject_strength",
        "noise_strength",
    ]
    assert names["MusarRoutingPreview"] == ["model", "samples", "image"]
    assert names["AnymsAdapterLoader"] == ["adapter", "siglip"]
    assert names["AnymsLayout"] == [
        "model",
        "adapter",
        "clip_vision",
        "subjects",
        "boxes",
        "priorities",
        "weight",
        "start_percent",
        "end_percent",
        "canvas_width",
        "canvas_height",
        "merge",
        "background",
    ]
    assert names["AnymsLayoutPreview"] == ["model", "image"]
    for node in ("MusarConditioning", "AnymsLayout"):
        template = nodes[node].define_schema().inputs[3].template
        assert template.names == [f"subject_{i}" for i in range(1, 17)]


def test_the_help_folder_is_the_packs_web_folder(nodes):
    import nodes as host

    assert str(ROOT / "nodes" / "web") in map(str, map(Path, host.EXTENSION_WEB_DIRS.values()))
