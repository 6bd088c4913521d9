"""What needs both rooms: a set like MUSAR-Gen, from a list of subjects to a LoRA that learned from it."""

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image

from studies.musar_gen.recipe import pack, table_rows
from studies.thousand.table import sprites_rows, write_inputs
from tools.comfy_server import ROOT
from training.data.musar_gen import MusarGen
from training.train import LORA, read_config, train


def test_musar_gen_on_sprites_to_the_trainer(server, tmp_path):
    command = [sys.executable, "-m", "studies.musar_gen", "sprites", "--count", "2"]
    command += ["--folder", str(tmp_path), "--server", server.address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = [json.loads(line) for line in (tmp_path / "report" / "scores.jsonl").open()]
    good = [s for s in scores if s["identity"] >= 0.8 and (s["leak"] or 0) <= 0.1 and s["fidelity"] >= 1]
    assert len(scores) == 2 and f"{len(good)} of 2 pictures kept" in done.stdout and good

    source = MusarGen(tmp_path / "set")
    assert len(source) == len(good)
    for number, score in enumerate(good):
        example = source[number]
        assert example.prompt == score["prompt"] and example.target.shape == (128, 128, 3)
        assert all(r.phrase in example.prompt and r.image.shape == (64, 64, 3) for r in example.references)

    given = ["batch=2", "compile=false", "log=false", "validation=null", "save_every=100", "warmup=1"]
    given += [
        f"data={{kind: musar_gen, folder: {tmp_path / 'set'}}}",
        "stages=[{steps: 2, mix: {single: 1.0}}]",
    ]
    trainer = train(read_config(ROOT / "training" / "configs" / "sprites.yaml", given), tmp_path / "run")
    assert trainer.step == 2 and (tmp_path / "run" / LORA).stat().st_size > 10_000


def test_rows_of_pairs(tmp_path):
    subjects = [
        (tmp_path / "a.png", "a red mug"),
        (tmp_path / "b.png", "a red mug"),
        (tmp_path / "c.png", "an owl"),
    ]
    rows = list(table_rows(subjects, ["park", "kitchen"], 100))
    assert len(rows) == 12 == len({(r["prompt"], r["reference_1"], r["reference_2"]) for r in rows})
    for row in rows:
        assert row["phrase_1"] in row["prompt"] and row["words_2"] in row["prompt"]
        if row["words_1"] == "a red mug" and row["phrase_2"] == "red mug":
            assert row["words_2"] == "another red mug"


def test_a_filter_is_a_rule(tmp_path):
    from pyarrow import Table, parquet

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    row = {"status": "drawn", "files": [str(tmp_path / "x.png")], "prompt": "p"}
    row |= {f"reference_{k}": str(tmp_path / "x.png") for k in (1, 2)} | {
        "words_1": "a mug",
        "words_2": "an owl",
    }
    parquet.write_table(Table.from_pylist([row]), tmp_path / "ledger.parquet")
    (tmp_path / "s.jsonl").write_text(
        json.dumps({"file": str(tmp_path / "x.png"), "DINO": 0.7, "leak": None})
    )
    files = tmp_path / "ledger.parquet", tmp_path / "s.jsonl"
    assert pack(*files, ["DINO>=0.7"], tmp_path / "one") == (1, 1)
    assert pack(*files, ["DINO>=0.71"], tmp_path / "none") == (0, 1)
    assert pack(*files, ["leak<=1"], tmp_path / "no_figure") == (0, 1)
    with pytest.raises(ValueError, match="no figures for 1 rows of .*x.png.*: judge this ledger again"):
        (tmp_path / "other.jsonl").write_text(json.dumps({"file": "/elsewhere/x.png", "DINO": 1.0}))
        pack(files[0], tmp_path / "other.jsonl", [], tmp_path / "three")
    with pytest.raises(ValueError, match="There are shards in .*one already"):
        pack(*files, ["DINO>=0.7"], tmp_path / "one")
    for rule, says in (("DINO>0.7", "is no rule"), ("CLIP-I>=0.7", "have no CLIP-I, but file, DINO, leak")):
        with pytest.raises(ValueError, match=says):
            pack(*files, [rule], tmp_path / "two")


def test_rows_of_sprites_are_a_batchs_inputs(tmp_path):
    rows = sprites_rows(tmp_path, 6)
    write_inputs(tmp_path, rows, "two_subjects_uno")
    read = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [r["prompt"] for r in read[:4]] == [rows[0]["prompt"]] * 4 and read[4]["prompt"] != read[0][
        "prompt"
    ]
    assert len({r["seed"] for r in read}) == 6
    assert set(json.loads((tmp_path / "map.json").read_text())) == set(read[0])
