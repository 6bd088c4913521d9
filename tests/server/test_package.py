"""The package, which the other tests here run on: the registry's own tool makes the same, and nothing that
a graph, a help page or a picture needs was left out."""

import json
import re
import zipfile

from tools.comfy_cli import comfy_node, packed_by_it
from tools.comfy_server import ROOT

DOCS = re.compile(r"docs/[a-z0-9_]+\.md")
LIMIT = 2_000_000  # bytes of the zip


def contents(file):
    with zipfile.ZipFile(file) as package:
        return {name: package.read(name) for name in package.namelist()}


def test_the_registrys_tool_finds_nothing_wrong():
    said = comfy_node("validate")
    assert "All validation checks passed" in said and "Warning" not in said


def test_the_registrys_tool_packs_the_same(packed, tmp_path):
    assert contents(packed_by_it(tmp_path / "theirs.zip")) == contents(packed[0])


def test_it_is_small_and_holds_what_users_need(packed):
    file, folder = packed
    assert file.stat().st_size < LIMIT
    for kept in ("workflows", "subgraphs", "locales", "nodes"):
        theirs = sorted(f.relative_to(folder) for f in (folder / kept).rglob("*") if f.is_file())
        ours = (f.relative_to(ROOT) for f in (ROOT / kept).rglob("*") if f.is_file())
        assert theirs == sorted(f for f in ours if "__pycache__" not in f.parts)
    for left_out in ("tests", "studies", "demo", "training", ".github"):
        assert not (folder / left_out).exists()


def test_pages_that_a_graph_or_a_node_names_are_in_it(packed):
    _, folder = packed
    graphs = (json.loads(file.read_text()) for file in (folder / "workflows").glob("*.json"))
    notes = [n["widgets_values"][0] for g in graphs for n in g["nodes"] if n["type"] == "MarkdownNote"]
    pages = [file.read_text() for file in (folder / "nodes").rglob("*") if file.suffix in (".md", ".py")]
    named = {page for text in (*notes, *pages) for page in DOCS.findall(text)}
    assert named and all((folder / page).exists() for page in named)


def test_the_server_runs_the_package_and_not_the_checkout(server, packed):
    loaded = (server.base / "custom_nodes" / "comfyui-musar").resolve()
    assert loaded == packed[1] != ROOT


def test_try_sprites_brings_all_that_its_graph_asks_for(try_sprites):
    prompt = json.loads((ROOT / "workflows" / "api" / "try_sprites.json").read_text())
    asked = {v for n in prompt.values() for v in n["inputs"].values() if re.search(r"\.[a-z]+$", str(v))}
    brought = contents(try_sprites)
    assert len(asked) == 6 and asked <= {name.split("/")[-1] for name in brought}
    graph = brought["user/default/workflows/try_sprites.json"]
    assert graph == (ROOT / "workflows" / "try_sprites.json").read_bytes()


def test_try_sprites_runs_where_it_was_unpacked(server):
    """That it draws its two subjects is in test_sprites_graphs.py."""
    loader = server.json("/object_info/MusarDemoTextEncoder")["MusarDemoTextEncoder"]
    assert loader["python_module"] == "custom_nodes.musar_demo"
    for file in ("diffusion_models/sprites_flux", "loras/sprites_dual_lora"):
        assert not (server.base / "models" / f"{file}.safetensors").is_symlink()
    assert "try_sprites.json" in server.json("/userdata?dir=workflows")
