"""The paper's figures on tiny random networks of the true classes, against computations of their own."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel, Dinov2Model, ViTModel

from batch.journal import Journal
from batch.ledger import write_ledger
from evaluation.dreambench import read_dreambench
from evaluation.figures import Likeness, Wording, judge_all
from evaluation.networks import Clip, Dino
from evaluation.protocol import rows_of
from evaluation.samples import Sample, pixels, read_samples
from evaluation.table import mean, means
from tools.comfy_server import ROOT
from tools.table import Wrong

from .networks import write_clip, write_dino


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("networks")
    write_dino(base / "dino"), write_dino(base / "dinov2", second=True), write_clip(base / "clip")
    return base


def picture(file, seed):
    """Blobs of another kind for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((50, 40), Image.Resampling.BICUBIC).save(file)
    return str(file)


@pytest.fixture
def samples(tmp_path):
    """Of one, two and three subjects; the second subject has two views."""
    views = [(picture(tmp_path / "0.png", 0),)]
    views += [tuple(picture(tmp_path / f"1_{k}.png", 10 + k) for k in range(2))]
    views += [(picture(tmp_path / "2.png", 2),)]
    return [
        Sample(picture(tmp_path / f"drawn_{i}.png", 100 + i), said, tuple(views[:count]))
        for i, (count, said) in enumerate(
            [(1, "a cat"), (2, "a cat and a dog on a very long beach"), (3, "a boat"), (2, "")]
        )
    ]


def alone(folder, kind, file):
    """One picture through the class that was saved, by itself."""
    model = kind.from_pretrained(folder).eval()
    ready = AutoImageProcessor.from_pretrained(folder)(images=Image.open(file), return_tensors="pt")
    with torch.no_grad():
        if kind is CLIPModel:
            pooled = model.vision_model(**ready).pooler_output
            return model.visual_projection(pooled)[0].double().numpy()
        return model(**ready).last_hidden_state[0, 0].double().numpy()


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.mark.parametrize("name, kind", [("dino", ViTModel), ("dinov2", Dinov2Model), ("clip", CLIPModel)])
def test_likeness_is_the_mean_over_all_references(folders, samples, name, kind):
    network = (Clip if name == "clip" else Dino)(folders / name)
    found = list(judge_all(samples, [Likeness("L", network)]))
    for sample, figures in zip(samples, found):
        own = alone(folders / name, kind, sample.file)
        each = [
            np.mean([cosine(own, alone(folders / name, kind, view)) for view in views])
            for views in sample.references
        ]
        assert figures["L"] == pytest.approx(np.mean(each), abs=1e-5)
    assert len({round(f["L"], 4) for f in found}) == len(samples)


def test_wording(folders, samples):
    """Against CLIP's own forward pass, one picture at a time."""
    found = [f["CLIP-T"] for f in judge_all(samples, [Wording(Clip(folders / "clip"))])]
    model = CLIPModel.from_pretrained(folders / "clip").eval()
    tokenizer = AutoTokenizer.from_pretrained(folders / "clip")
    processor = AutoImageProcessor.from_pretrained(folders / "clip")
    for sample, value in zip(samples, found):
        words = tokenizer([sample.prompt], truncation=True, max_length=24, return_tensors="pt")
        ready = processor(images=Image.open(sample.file), return_tensors="pt")
        with torch.no_grad():
            scaled = model(**words, **ready).logits_per_image / model.logit_scale.exp()
        assert value == pytest.approx(100 * float(scaled), abs=1e-3)


def test_masks_cut_references_out(folders, tmp_path, samples):
    mask = Image.new("L", (50, 40), 0)
    mask.paste(255, (0, 0, 25, 40))
    mask.save(tmp_path / "mask.png")
    (views,) = samples[0].references
    cut = Image.open(views[0]).convert("RGB")
    cut.paste((255, 255, 255), (25, 0, 50, 40))
    cut.save(tmp_path / "cut.png")
    dino = Likeness("DINO", Dino(folders / "dino"))
    masked = Sample(samples[0].file, "", samples[0].references, (str(tmp_path / "mask.png"),))
    by_hand = Sample(samples[0].file, "", ((str(tmp_path / "cut.png"),),))
    whole, one, two = (f["DINO"] for f in judge_all([samples[0], masked, by_hand], [dino]))
    assert one == pytest.approx(two, abs=1e-6) and abs(one - whole) > 1e-4


def test_every_picture_that_is_not_there_is_told(tmp_path):
    row = {"files": ["one.png", "two.png"], "prompt": "a cat", "reference_1": "cat.png"}
    Image.new("RGB", (8, 8)).save(tmp_path / "two.png")
    (tmp_path / "table.jsonl").write_text(json.dumps(row))
    with pytest.raises(Wrong, match="2 pictures of .* are not there: .*one.png, .*cat.png.* start where"):
        read_samples(tmp_path / "table.jsonl")


def test_a_ledger_knows_where_its_table_lay(tmp_path, monkeypatch):
    """A batch takes pictures from beside its table; the ledger lies in the output folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "out").mkdir()
    for file in ("mine/cat.png", "out/drawn.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / file)
    journal = Journal(tmp_path / "out" / "journal")
    values = {"reference_1": "cat.png"}
    told = {"row": 1, "key": "0", "status": "drawn", "tries": 1, "prompt": "a cat"}
    told |= {"values": values, "files": [str(tmp_path / "out" / "drawn.png")]}
    journal.finish(told)
    write_ledger(journal, tmp_path / "out" / "ledger.parquet", ["reference_1"], tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "out")
    (sample,) = read_samples(tmp_path / "out" / "ledger.parquet")
    assert sample.references == ((str(tmp_path / "mine" / "cat.png"),),)


def test_pictures_of_several_nodes_are_judged_by_the_title_of_one(tmp_path):
    for name in ("one.png", "map.png", "cat.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    row = {"files": ["one.png", "map.png"], "saved_by": ["Save", "Save the map"]}
    row |= {"prompt": "a cat", "reference_1": "cat.png"}
    table = tmp_path / "table.jsonl"
    table.write_text(json.dumps(row))
    with pytest.raises(Wrong, match="several nodes: 'Save', 'Save the map'. .*--saved-by 'Save'"):
        read_samples(table)
    with pytest.raises(Wrong, match="--saved-by is 'Else', and the pictures of .* were saved by 'Save', "):
        read_samples(table, saved_by="Else")
    (sample,) = read_samples(table, saved_by="Save the map")
    assert sample.file.endswith("map.png")
    table.write_text(json.dumps(row | {"saved_by": ["Save", "Save"]}))  # a batch of pictures
    assert len(read_samples(table)) == 2


def test_photographs_are_read_upright(tmp_path):
    """As ComfyUI draws from them."""
    lying = Image.new("RGB", (40, 20), "red")
    lying.paste((0, 0, 255), (0, 0, 20, 20))
    exif = lying.getexif()
    exif[0x0112] = 6  # a quarter to the right
    lying.save(tmp_path / "photo.png", exif=exif)
    found = pixels(str(tmp_path / "photo.png"))
    assert found.shape == (40, 20, 3) and found[0, 0].tolist() == [0, 0, 255]
    Image.new("L", (40, 20), 255).save(tmp_path / "lying.png")
    with pytest.raises(Wrong, match="lying.png is 40 × 20 and its picture .*photo.png 20 × 40"):
        pixels(str(tmp_path / "photo.png"), str(tmp_path / "lying.png"))
    Image.new("L", (10, 20), 0).save(tmp_path / "small.png")
    assert (pixels(str(tmp_path / "photo.png"), str(tmp_path / "small.png")) == 255).all()


def test_a_mask_is_not_all_views(tmp_path):
    with pytest.raises(Wrong, match="--all-views and --masks do not go together"):
        read_samples(tmp_path / "table.jsonl", all_views=True, masks=True)


def test_folders_that_are_none_of_it(folders, tmp_path):
    for make, folder, says in [
        (Dino, folders / "clip", "kind 'clip'; it should be vit or dinov2"),
        (Clip, folders / "dino", "kind 'vit'; it should be clip"),
        (Clip, tmp_path, "holds no config.json"),
    ]:
        with pytest.raises(Wrong, match=says):
            make(folder)


def write_dreambench(folder):
    """In the layout in which it is published: thirty subjects, 25 prompts of each kind."""
    live = {"cat", "cat2", *(f"dog{k}" for k in ("", 2, 3, 5, 6, 7, 8))}
    things = {f"thing_{k}": f"thing number {'abcdefghijklmnopqrstu'[k]}" for k in range(21)}
    kinds = {name: name.rstrip("0123456789") for name in sorted(live)} | things
    for number, name in enumerate(kinds):
        for k in range(2):
            picture(folder / "dataset" / name / f"0{k}.jpg", 10 * number + k)

    def listed(own):
        said = ["a {0} {1} in the jungle", *(f"{own} {{0}} {{1}} no {k}" for k in range(24))]
        lines = "\n".join(f"'{words}'.format(unique_token, class_token)," for words in said)
        return f"prompt_list = [\n{lines}\n]\n"

    (folder / "dataset" / "prompts_and_classes.txt").write_text(
        "Classes\nsubject_name,class\n"
        + "\n".join(f"{name},{kind}" for name, kind in kinds.items())
        + f"\n\nPrompts\n\nObject Prompts\n\n{listed('a purple')}"
        + f"\nLive Subject Prompts\n\n{listed('a tired')}"
    )
    return folder


def test_the_papers_protocol(tmp_path):
    bench = read_dreambench(write_dreambench(tmp_path))
    assert len(bench.subjects) == 30 and sum(s.live for s in bench.subjects) == 9
    single = list(rows_of(bench, "single"))
    assert len(single) == 750 * 4 and len({(r["prompt"], r["reference_1"]) for r in single}) == 750
    assert single[0]["prompt"] == "a cat in the jungle" and {r["seed"] for r in single} == {0, 1, 2, 3}
    for part, size, count in (("pairs", 2, 60), ("triplets", 3, 20)):
        rows = list(rows_of(bench, part))
        assert rows == list(rows_of(bench, part)) and len(rows) == 4 * count
        assert len({tuple(r[f"reference_{k}"] for k in range(1, size + 1)) for r in rows}) == count
        for row in rows:
            assert all(row[f"phrase_{k}"] in row["prompt"] for k in range(1, size + 1))
            assert all(row[f"words_{k}"] == f"a {row[f'phrase_{k}']}" for k in range(1, size + 1))
            assert "jungle" in row["prompt"] and f"reference_{size + 1}" not in row


def test_means_and_their_intervals():
    """Over prompts, not over pictures; an interval covers the truth about as often as it says."""
    cases = [Sample(f"{i}", f"prompt {i // 4}", (("a",),)) for i in range(16)]
    scored = [(s, {"x": float(i // 4) + 0.1 * (i % 4)}) for i, s in enumerate(cases)]
    scored.append((Sample("more", "prompt 0", (("a",),)), {"x": None}))
    found = mean(scored, "x")
    assert found.value == pytest.approx(1.65) and (found.cases, found.pictures) == (4, 16)
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        values = rng.normal(0.5, 0.1, 30)
        one = mean([(Sample("f", f"p{i}", (("a",),)), {"x": v}) for i, v in enumerate(values)], "x")
        covered += one.low <= 0.5 <= one.high
    assert 86 <= covered <= 99
    several = [(Sample("f", "p", (("a",),) * n), {"x": float(n)}) for n in (1, 2, 3)]
    parts = {part: figures["x"].value for part, figures in means(several, ["x"]).items()}
    assert parts == {"single subject": 1.0, "several subjects": 2.5, "pairs": 2.0, "triplets": 3.0}


def test_a_table_that_cannot_be_judged(tmp_path):
    for rows, says in [
        ([{"file": "a.png", "prompt": "a cat"}], "Row 1 of .* needs file .*, prompt and reference_1"),
        ([{"file": "a.png", "prompt": "a", "reference_1": "b.png"}], "row 1: .*a.png, row 1: .*b.png"),
        ([{"status": "failed"}], "no picture that was drawn"),
    ]:
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(Wrong, match=says):
            read_samples(tmp_path / "t.jsonl")


def test_rows_that_cannot_be_read(tmp_path):
    for name, text, says in [
        (
            "t.csv",
            "file,prompt,reference_1\na.png,a cat,on a mat,b.png\n",
            "Row 1 of .* 4 cells for 3 columns",
        ),
        ("t.jsonl", '{"status": "failed"}\n{"file": "a.p', "Row 2 of .* cannot be read: no JSON object"),
        ("t.jsonl", "[1]\n", "Row 1 of .* cannot be read: no JSON object"),
        ("t.txt", "", "is none of CSV, JSONL, Parquet"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(Wrong, match=says):
            read_samples(tmp_path / name)


def test_the_command(folders, tmp_path, samples):
    """Table and page; what the page looks like is seen in the browser tier."""
    rows = [
        {"file": s.file, "prompt": s.prompt or "nothing", "seed": 1}
        | {f"reference_{k}": views[0] for k, views in enumerate(s.references, 1)}
        for s in samples
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "evaluation", "score", "--table", tmp_path / "t.jsonl"]
    command += ["--dino", folders / "dino", "--clip", folders / "clip", "--output", tmp_path / "report"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| pictures | DINO | CLIP-T | CLIP-I |" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "report" / "scores.jsonl").open()]
    assert [line["file"] for line in lines] == [s.file for s in samples]
    assert set(lines[0]) == {"file", "prompt", "seed", "reference_1", "DINO", "CLIP-T", "CLIP-I"}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "0.774" in page and "Not comparable" in page and "http" not in page.replace("http-equiv", "")
