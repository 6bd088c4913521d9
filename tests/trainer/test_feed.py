"""Examples by number: bad rows are skipped, counted, and disturb nothing else."""

from dataclasses import replace

import pytest

from training.data.feed import Feed
from training.data.reader import open_source
from training.data.subjects200k import Subjects200K
from training.run.examples import Examples

from .made import Made, composite, png, row_numbers, subject_row, write_pair

KINDS = ["cat", "dog", "owl"] * 20
MIX = {"random": 0.5, "single": 0.3, "same": 0.2}


def same(a, b):
    return a.prompt == b.prompt and (a.target == b.target).all() and row_numbers(a) == row_numbers(b)


def test_resuming_in_the_middle_of_an_epoch_is_as_if_never_stopped():
    bad = (4, 17, 33)
    whole = Feed(Made(KINDS, bad), MIX, seed=7)
    examples = [whole[number] for number in range(150)]
    for start in (1, 40, 149):
        resumed = Feed(Made(KINDS, bad), MIX, seed=7)
        assert all(same(resumed[number], examples[number]) for number in range(start, 150))


def test_a_bad_row_gives_way_to_the_next_good_example_and_disturbs_no_other():
    good, torn = Feed(Made(KINDS), MIX, 0), Feed(Made(KINDS, [5, 6]), MIX, 0)
    replaced = 0
    for number in range(120):
        draw = good.order[number]
        if {5, 6}.isdisjoint(draw.rows):
            assert same(torn[number], good[number])
            continue
        replaced += 1
        index = draw.index + 1
        while not {5, 6}.isdisjoint(good.order.draw(draw.mode, index).rows):
            index += 1
        assert row_numbers(torn[number]) == list(good.order.draw(draw.mode, index).rows)
    assert replaced > 3


def test_skips_are_counted_once_by_reason_and_read_once():
    source = Made(KINDS, [5, 6])
    feed = Feed(source, {"single": 1}, 0)
    for number in range(180):
        feed[number]
    assert feed.report() == [
        f"Skipped for torn: 2, such as made, row {min([5, 6], key=source.reads.index)}: it is torn."
    ]
    assert source.reads.count(5) == source.reads.count(6) == 1
    assert Feed(Made(KINDS), MIX, 0).report() == []


def test_a_row_of_a_diptych_is_blamed_alone_and_read_once():
    source = Made(KINDS, [5])
    feed = Feed(source, {"random": 1}, 0)
    for number in range(90):
        feed[number]
    assert list(feed.bad) == [(5,)] and source.reads.count(5) == 1


def test_what_the_tokenizer_reads_otherwise_is_skipped():
    """Letter by letter the caption says "cat"; T5 has no brace, and so another word."""

    class Encoder:
        def pieces(self, text):
            return [p for word in text.split() for p in (["▁" + word.strip("}")] + ["<unk>"] * ("}" in word))]

    class Braces(Made):
        def __getitem__(self, row):
            pair = super().__getitem__(row)
            return replace(pair, caption="a cat} on a sofa") if row == 1 else pair

    feed = Feed(Braces(["cat"] * 4), {"single": 1}, 0)
    Examples({"seed": 0, "batch": 1, "drop": {"text": 0, "reference": 0}}, [feed], Encoder())
    assert not any("}" in feed[number].prompt for number in range(12))
    (told,) = feed.report()
    assert told.startswith("Skipped for phrase lost: 1, such as made, row 1: The phrase 'cat' is needed")


def test_data_that_is_all_bad_is_a_sentence():
    with pytest.raises(
        ValueError, match="made: 1000 examples in a row cannot be used. Skipped for torn: 60, such as"
    ):
        Feed(Made(KINDS, range(60)), {"single": 1}, 0)[3]


def test_two_rows_that_do_not_go_together_are_named(tmp_path):
    for name in "ab":  # the words are found, but their quotes are not where "another" goes
        write_pair(tmp_path / name, '{"words": "' + "'Eames' chair" + '", "caption": "an ‘Eames’ chair"}')
    source = open_source({"kind": "folder", "folder": tmp_path})
    assert Feed(source, {"single": 1}, 0)[0].prompt == "an ‘Eames’ chair"
    with pytest.raises(
        ValueError,
        match="Skipped for phrase lost: 2, such as .*/. and .*/.: The caption .*another 'Eames' chair",
    ):
        Feed(source, {"same": 1}, 0)[0]


def test_corrupt_bytes_in_a_shard_are_skipped_and_reported(shards):
    torn = png(composite((1, 2, 3), (4, 5, 6)))[:150]
    rows = [subject_row(f"thing {i}", "thing", i, image=torn if i == 2 else None) for i in range(8)]
    source = Subjects200K(shards(rows, groups=3))
    feed = Feed(source, {"same": 0.5, "single": 0.5}, seed=0)
    prompts = [feed[number].prompt for number in range(60)]
    assert not any("thing 2" in prompt for prompt in prompts)
    assert {i for i in range(8) if any(f"thing {i}." in prompt for prompt in prompts)} == set(range(8)) - {2}
    kept, skipped = feed.report()
    assert kept.endswith("8 of 8 composites kept.")
    assert (
        skipped.startswith("Skipped for unreadable picture: 2, such as ")
        and "train-0.parquet, row 2" in skipped
    )


def test_diptychs_of_subjects200k_never_show_one_composite_twice(shards):
    source = Subjects200K(shards([subject_row("mug", "cup", i) for i in range(7)], groups=2))
    feed = Feed(source, {"same": 1}, seed=0)
    for number in range(5 * feed.order.lengths["same"]):
        left, right = feed.order[number].rows
        assert left // 2 != right // 2
        assert [r.words for r in feed[number].references] == ["mug", "another mug"]


def test_sources_are_opened_by_settings(tmp_path, shards):
    write_pair(tmp_path / "pairs" / "one")
    folder = str(tmp_path / "pairs")
    assert len(open_source({"kind": "folder", "folder": folder})) == 1
    assert len(open_source({"kind": "sprites", "rows": 30, "seed": 2})) == 30
    low = subject_row(quality={"compositeStructure": 3, "objectConsistency": 3, "imageQuality": 3})
    opened = open_source({"kind": "subjects200k", "folder": shards([low]), "min_quality": 3})
    assert len(opened) == 2


@pytest.mark.parametrize(
    "settings, says",
    [
        (
            {"kind": "coco"},
            "no data of kind 'coco': set kind to one of subjects200k, musar_gen, folder, sprites",
        ),
        ({}, "no data of kind None"),
        ({"kind": "folder"}, "Data of kind 'folder' needs the setting 'folder'"),
        ({"kind": "sprites", "row": 3}, "Data of kind 'sprites' has no setting 'row': it has rows, seed"),
        ({"kind": "folder", "folder": "/nowhere"}, "The data's folder /nowhere is not there"),
    ],
)
def test_settings_that_open_nothing_are_sentences(settings, says):
    with pytest.raises(ValueError, match=says):
        open_source(settings)


def test_a_machine_without_pyarrow_is_told_what_to_install(monkeypatch, tmp_path):
    import importlib

    def missing(name, package):
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        open_source({"kind": "subjects200k", "folder": tmp_path})
