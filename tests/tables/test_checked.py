"""What a batch looks at before the first picture: table, graph, and what each column fills."""

import json

import numpy as np
import pytest
from PIL import Image

from batch.graph import bind, read_graph
from tools.comfy_server import ROOT
from tools.stand_ins import with_small_models
from tools.table import Wrong, columns_of, open_table

from .conftest import finished, ledger, plain, start


def two_subjects():
    prompt = json.loads((ROOT / "workflows" / "api" / "two_subjects_uno.json").read_text())
    return with_small_models(prompt, size=96, steps=1, reference_size=64)


GOOD = {
    "MUSAR Conditioning/prompt": "a cat next to a robot",
    "Reference: cat/image": "cat.png",
    "Reference: robot/image": "robot.png",
    "KSampler/seed": 1,
    "KSampler/steps": 1,
    "KSampler/sampler_name": "euler",
    "MUSAR Routing/static": "false",
}
MISTAKES = {
    2: {"MUSAR Conditioning/prompt": "a cat on the moon"},
    4: {"Reference: cat/image": "dog.png"},
    5: {"Reference: cat/image": "dog.png"},
    7: {"KSampler/seed": "one"},
    9: {"KSampler/steps": 0},
    11: {"KSampler/sampler_name": "eulr"},
    12: {"Reference: robot/image": "torn.png"},
    15: {"MUSAR Routing/static": "perhaps"},
    17: {"Reference: cat/image": 30 * "a long prompt "},  # longer than a file's name can be
}
SENTENCES = (
    "The prompt does not name 'Subject: robot': row 2 ('robot' in 'a cat on the moon').",
    "'Reference: cat/image' names no picture beside the table or in the server's input folder: "
    f"rows 4–5 ('dog.png'), row 17 ({30 * 'a long prompt '!r}).",
    "'KSampler/seed' is no number: row 7 ('one').",
    "'KSampler/steps' is outside 1 … 10000: row 9 ('0').",
    "'Reference: robot/image' is a file that is no picture: row 12 ('torn.png').",
    "'MUSAR Routing/static' is neither true nor false: row 15 ('perhaps').",
)


def test_pictures_in_folders_of_the_servers_input(server, written, tmp_path):
    """As pasted ones are, and those of its output folder; the server's list has neither."""
    folders = {"input/pasted": "a.png", "output/drawn": "b.png"}
    for folder, name in folders.items():
        (server.base / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), "red").save(server.base / folder / name)
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "pasted/a.png"}, "_meta": {"title": "One"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "pasted/a.png"}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    rows = [{"One/image": name} for name in ("pasted/a.png", "drawn/b.png [output]")]
    assert "2 drawn" in finished(start(*written(rows, graph), "--server", server.address))
    process = start(
        *written([{"One/image": "pasted/c.png"}], graph), "--server", server.address, what="check"
    )
    assert "names no picture beside the table or in the server's" in process.communicate()[0]


def test_a_bad_table_is_told_at_once_and_gone_on_without(server, written, tmp_path):
    """Twenty rows, seven kinds of mistakes, seven sentences; then the good rows of the real graph."""
    for name, colour in (("cat", (200, 80, 0)), ("robot", (0, 80, 200))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "torn.png").write_bytes(b"torn")
    rows = [GOOD | {"KSampler/seed": k} | MISTAKES.get(k, {}) for k in range(1, 21)]
    graph = two_subjects()
    graph["90"] = {
        "class_type": "MusarRoutingPreview",
        "inputs": {"model": ["3", 0], "samples": ["9", 0], "image": ["80", 0]},
    }
    graph["91"] = {"class_type": "PreviewImage", "inputs": {"images": ["90", 0]}}
    graph["3"]["inputs"]["leak"] = True
    arguments = [*written(rows, graph), "--server", server.address]
    process = start(*arguments)
    said = process.communicate()[0]
    assert process.returncode == 1 and "9 of 20 rows cannot be drawn" in said
    found = [line.removeprefix("batch: ") for line in said.splitlines() if ": row" in line]
    assert set(SENTENCES) < set(found) and len(found) == 7
    assert any(line.startswith("'KSampler/sampler_name' is none of euler, ") for line in found)
    assert not (tmp_path / "out" / "ledger.parquet").exists()

    finished(start(*written(rows[:3], graph), "--server", server.address, "--skip-bad"))
    drawn = ledger(tmp_path)
    assert [r["row"] for r in drawn] == [1, 3] and drawn[1]["seed"] == 3
    for row in drawn:
        assert row["prompt"] == "a cat next to a robot" and row["owners"] == ["cat", "robot"]
        leak = np.array(row["leak"], float)
        assert sum(row["owned"]) == pytest.approx(1, abs=1e-3) and leak.shape == (2, 2)
        assert np.isfinite(leak).any()


def test_columns_that_fit_nothing_are_named():
    graph = plain() | {"3": plain()["1"]}
    for columns, names, says in [
        (["Colour/color"], {}, "2 nodes are called 'Colour'. Write 1/color or 3/color"),
        (["Color/color"], {}, "no node 'Color'. Its nodes are Colour, SaveImage"),
        (["1/colour"], {}, "no input 'colour'. It has width, height, batch_size, color"),
        (["2/images"], {}, "comes from another node"),
        (["colour"], {"color": ["1/color"]}, "names the column 'color', and the table has none"),
        (["a", "1/color"], {"a": ["1/color"]}, "Columns 'a' and '1/color' both fill 1/color"),
        (["colour"], {}, "No column of the table fills an input"),
    ]:
        with pytest.raises(Wrong) as wrong:
            bind(graph, columns, names)
        assert says in str(wrong.value)
    both = bind(graph, ["c"], {"c": ["1/color", "3/color"]}).fill({"c": 5})
    assert both["1"]["inputs"]["color"] == both["3"]["inputs"]["color"] == 5


def test_a_column_is_what_each_of_its_inputs_takes(server, written, tmp_path):
    """A whole number here, a text there."""
    (tmp_path / "map.json").write_text(json.dumps({"k": ["1/color", "2/filename_prefix"]}))
    rows = [{"k": k} for k in (" 7", "8")]
    arguments = [*written(rows, name="table.csv"), "--map", str(tmp_path / "map.json")]
    finished(start(*arguments, "--server", server.address))
    first, second = ledger(tmp_path)
    drawn = json.loads(Image.open(first["files"][0]).info["prompt"])
    assert drawn["1"]["inputs"]["color"] == 7 and drawn["2"]["inputs"]["filename_prefix"] == " 7"
    assert (server.base / "output" / "8_00001_.png").exists() and first["k"] == 7 and second["k"] == 8


def test_a_picture_here_and_a_text_there(server, written, tmp_path):
    """What is uploaded takes the picture's place alone."""
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    Image.new("RGB", (16, 16), "red").save(tmp_path / "mine.png")
    (tmp_path / "map.json").write_text(json.dumps({"file": ["2/filename_prefix", "1/image"]}))
    arguments = [*written([{"file": "mine.png"}], graph), "--map", str(tmp_path / "map.json")]
    finished(start(*arguments, "--server", server.address))
    (row,) = ledger(tmp_path)
    drawn = json.loads(Image.open(row["files"][0]).info["prompt"])
    assert drawn["2"]["inputs"]["filename_prefix"] == "mine.png" == row["file"]
    assert drawn["1"]["inputs"]["image"] not in ("mine.png", "x.png")


def test_graphs_that_are_none(tmp_path):
    gone = plain()
    del gone["1"]
    file = tmp_path / "graph.json"
    for text, says in [
        ("{", "is no JSON"),
        ('{"nodes": []}', "as the canvas saves it"),
        ("[1]", "is no API prompt"),
        (json.dumps(gone), r"images of node 2 \(SaveImage\) comes from node 1, and there is none"),
    ]:
        file.write_text(text)
        with pytest.raises(Wrong, match=says):
            read_graph(file)
    file.write_text(json.dumps(plain()))
    assert read_graph(file) == plain()


def test_three_kinds_of_tables(written, tmp_path):
    read = []
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        written([{"Colour/color": 1000 * k, "name": f"no. {k}"} for k in range(1, 6)], name=name)
        assert columns_of(tmp_path / name) == ["Colour/color", "name"]
        rows = list(open_table(tmp_path / name))
        assert [row.number for row in rows] == [1, 2, 3, 4, 5]
        read.append([(int(row.values["Colour/color"]), row.values["name"]) for row in rows])
    assert read[0] == read[1] == read[2]


def test_rows_that_cannot_be_read(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3\n4,5,6\n")
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n[1]\n{"x"\n')
    assert [r.broken for r in open_table(tmp_path / "a.csv")] == [
        "",
        "1 cells for 2 columns",
        "3 cells for 2 columns",
    ]
    assert [bool(r.broken) for r in open_table(tmp_path / "a.jsonl")] == [False, True, True]


def test_a_graph_that_no_row_can_mend_is_told_once(server, written, tmp_path):
    graph = two_subjects()
    graph["1"]["inputs"]["unet_name"] = "none.safetensors"
    rows = [{"KSampler/seed": k, "10/image": "cat.png", "20/image": "cat.png"} for k in range(3)]
    Image.new("RGB", (64, 64)).save(tmp_path / "cat.png")
    process = start(*written(rows, graph), "--server", server.address)
    said = process.communicate()[0]
    assert process.returncode == 1 and said.count("none.safetensors") == 1
    assert "The graph's own Load Diffusion Model/unet_name, 'none.safetensors', is none of" in said


def test_weights_in_brackets_are_no_part_of_a_phrase(server, written, tmp_path):
    graph = two_subjects()
    graph["11"]["inputs"]["phrase"] = "red cat"
    for name in ("cat", "robot"):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
    pictures = {"10/image": "cat.png", "20/image": "robot.png"}
    rows = [{"MUSAR Conditioning/prompt": "a red (cat:1.2) and a (robot)", **pictures}]
    finished(start(*written(rows, graph), "--server", server.address))
    assert ledger(tmp_path)[0]["status"] == "drawn", ledger(tmp_path)[0]["error"]
