"""What docs say of the shipped graphs is what the graphs are."""

import json
import re

import pytest

from gallery import subgraph
from gallery.files import EVERY, files_of, models
from gallery.graphs import every_graph
from gallery.layout import note, pack
from gallery.on_tiny import is_flux2
from gallery.page import ABOUT, PAGE, differences, page
from gallery.tables import PAGES, language, with_tables
from tools.comfy_server import ROOT

GRAPHS = {graph.name: graph for graph in every_graph()}
OURS = re.compile("(Musar|Anyms)(?!Demo)")
STALE = "is stale: run `python -m gallery`"


def test_the_page_is_what_the_graphs_are():
    assert set(ABOUT) == set(GRAPHS), "ABOUT in gallery/page.py has a line for each graph"
    assert PAGE.read_text() == page(list(GRAPHS.values())), f"docs/gallery.md {STALE}"
    for name in GRAPHS:
        assert (ROOT / "workflows" / f"{name}.jpg").exists()


@pytest.mark.parametrize("name", PAGES)
def test_tables_of_files_are_what_loaders_carry(name):
    text = (ROOT / name).read_text()
    assert "<!-- files: " in text
    assert with_tables(text, language(ROOT / name)) == text, f"{name} {STALE}"


@pytest.mark.parametrize("name", GRAPHS)
def test_notes_are_what_the_graphs_say(name):
    drawn = json.loads((ROOT / "workflows" / f"{name}.json").read_text())["nodes"]
    (words,) = (node["widgets_values"][0] for node in drawn if node["type"] == "MarkdownNote")
    assert words == note(GRAPHS[name]), f"workflows/{name}.json {STALE}"


@pytest.mark.parametrize("ready", subgraph.EVERY, ids=lambda ready: ready.name)
def test_a_subgraph_says_what_it_is_where_the_frontend_looks(ready):
    made = json.loads(ready.file.read_text())
    own = made["definitions"]["subgraphs"][0]
    assert made["extra"]["BlueprintDescription"] == own["description"] == ready.description
    assert own["category"] == subgraph.CATEGORY


def test_what_is_otherwise_is_told():
    first, boxes, five = (GRAPHS[f"{n}_uno"].prompt for n in ("two_subjects", "boxes", "five_subjects"))
    assert differences(first, first) == ""
    assert differences(first, boxes) == "`layout_until` 0.3; `boxes` wired; with *CreateBoundingBoxes*"
    assert "`static` on" in differences(first, five)


@pytest.mark.parametrize("name", [name for name, graph in GRAPHS.items() if is_flux2(graph.prompt)])
def test_the_picture_and_its_schedule_have_one_size(name):
    prompt, sizes = GRAPHS[name].prompt, []
    for node in prompt.values():
        if node["class_type"] in ("EmptyFlux2LatentImage", "Flux2Scheduler"):
            sizes.append([prompt[node["inputs"][side][0]] for side in ("width", "height")])
    assert len(sizes) == 2 and sizes[0] == sizes[1]
    assert [node["_meta"]["title"] for node in sizes[0]] == ["Width", "Height"]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_file_of_a_graph_is_in_the_list_and_on_its_loader(name):
    """A file that nobody has published has no address; ComfyUI then names it alone."""
    prompt = GRAPHS[name].prompt
    asked = {
        value
        for node in prompt.values()
        for value in node["inputs"].values()
        if isinstance(value, str) and value.endswith(".safetensors")
    }
    assert asked == {file.name for file in files_of(prompt)}
    drawn = json.loads((ROOT / "workflows" / f"{name}.json").read_text())["nodes"]
    carried = {str(n["id"]): n["properties"]["models"] for n in drawn if "models" in n["properties"]}
    assert carried == models(prompt), f"workflows/{name}.json {STALE}"


@pytest.mark.parametrize(
    "file", [*ROOT.glob("workflows/*.json"), *ROOT.glob("subgraphs/*.json")], ids=lambda f: f.stem
)
def test_our_nodes_say_which_pack_they_are_of(file):
    drawn = json.loads(file.read_text())
    inside = [n for one in drawn.get("definitions", {}).get("subgraphs", []) for n in one["nodes"]]
    ours = [n for n in drawn["nodes"] + inside if OURS.match(n["type"])]
    assert ours
    for node in ours:
        assert pack().items() <= node["properties"].items(), f"{file.name} {STALE}"


def test_addresses_are_such_as_the_frontend_offers():
    """It downloads weights from Hugging Face by names it knows, and nothing else."""
    for file in EVERY:
        assert file.name.endswith(".safetensors")
        if file.url:
            assert file.url.startswith("https://huggingface.co/") and "/resolve/main/" in file.url
            assert file.url.endswith(".safetensors")
