"""MUSAR-Gen: two references and a picture of both."""

import pytest

from musar_attention import find_phrase
from training.data.feed import Feed
from training.data.musar_gen import MusarGen
from training.data.pair import BadRow
from training.data.words import letters

from .made import flat, png, write_shard

PROMPT = "An undivided picture with two objects. In the park scene, {} and {} are placed together."


def row(first="a red mug", second="an owl", prompt=None, number=0):
    return {
        "cond_img_0": {"bytes": png(flat((1, number, 0))), "path": None},
        "cond_img_1": {"bytes": png(flat((2, number, 0))), "path": None},
        "tgt_img": {"bytes": png(flat((3, number, 0))), "path": None},
        "cond_prompt_0": first,
        "cond_prompt_1": second,
        "prompt": prompt or PROMPT.format(first, second),
    }


def test_rows_are_examples(tmp_path):
    write_shard(tmp_path / "a.parquet", [row(number=i) for i in range(5)], groups=2)
    source = MusarGen(tmp_path)
    assert len(source) == 5 and list(map(list, source.groups())) == [[0, 1], [2, 3], [4]]
    example = source[3]
    assert [r.image[0, 0].tolist() for r in example.references] == [[1, 3, 0], [2, 3, 0]]
    assert example.target[0, 0].tolist() == [3, 3, 0] and example.prompt == PROMPT.format(
        "a red mug", "an owl"
    )
    assert [(r.words, r.phrase) for r in example.references] == [("a red mug", "red mug"), ("an owl", "owl")]


def test_two_of_one_phrase_are_told_apart(tmp_path):
    write_shard(tmp_path / "a.parquet", [row("a mug", "another mug")])
    example = MusarGen(tmp_path)[0]
    spans = [find_phrase(letters(example.prompt), r.phrase, r.occurrence) for r in example.references]
    assert spans[0][-1] < spans[1][0]


def test_bad_rows_are_sentences(tmp_path):
    broken = row() | {"cond_img_1": {"bytes": b"x", "path": None}}
    lost = row(prompt="two objects in a park")
    empty = row() | {"cond_prompt_0": None, "prompt": "an owl"}
    write_shard(tmp_path / "a.parquet", [row(), broken, lost, empty])
    source = MusarGen(tmp_path)
    for at, says in [
        (1, "a.parquet, row 1: there are 1 bytes that cannot be read"),
        (2, "a.parquet, row 2: The phrase 'red mug' is needed in the prompt.*'two objects in a park'"),
        (3, "a.parquet, row 3: its cond_prompt_0 is None, not words"),
    ]:
        with pytest.raises(BadRow, match=says):
            source[at]


def test_examples_are_fed_but_not_made_into_diptychs(tmp_path):
    write_shard(tmp_path / "a.parquet", [row(number=i) for i in range(6)])
    feed = Feed(MusarGen(tmp_path), {"single": 1}, seed=0)
    assert sorted(feed[n].target[0, 0, 1] for n in range(6)) == list(range(6))
    with pytest.raises(
        ValueError, match="holds ready examples.*found the mix {'random': 0.8, 'single': 0.2}. Set it"
    ):
        Feed(MusarGen(tmp_path), {"random": 0.8, "single": 0.2}, seed=0)


def test_a_missing_column_is_a_sentence(tmp_path):
    write_shard(tmp_path / "a.parquet", [row()], without=["tgt_img"])
    with pytest.raises(ValueError, match="a.parquet has no column 'tgt_img'"):
        MusarGen(tmp_path)
