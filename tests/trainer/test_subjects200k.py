"""Subjects200K's shards: crops, filters, both directions, and what is wrong with a shard or a row."""

import numpy as np
import pytest

from training.data.pair import BadRow
from training.data.parquet import Shards
from training.data.subjects200k import Subjects200K

from .made import FIVES, SIDE, composite, png, subject_row

RED, BLUE = (200, 10, 10), (10, 10, 200)


def framed(colour):
    cell = np.full((SIDE, SIDE, 3), 255, np.uint8)
    cell[1:-1, 1:-1] = colour
    return cell


@pytest.mark.parametrize("gutter, margin", [(8, 0), (8, 8), (16, 8)], ids=["1040", "1048", "1056"])
def test_crops_are_the_two_pictures_to_the_pixel(shards, gutter, margin):
    image = png(composite(RED, BLUE, gutter, margin))
    source = Subjects200K(shards([subject_row(image=image)]))
    assert (source[0].reference == framed(RED)).all() and (source[0].target == framed(BLUE)).all()


def test_full_size_crops(shards):
    wide, narrow = composite(RED, BLUE, side=512), composite(RED, BLUE, 8, 0, side=512)
    assert wide.shape == (528, 1056, 3) and narrow.shape == (528, 1040, 3)
    source = Subjects200K(shards([subject_row(image=png(wide)), subject_row(image=png(narrow))]))
    for row in (0, 2):
        assert source[row].target.shape == (512, 512, 3)
        assert (source[row].target[1:-1, 1:-1] == BLUE).all() and (source[row].target[0] == 255).all()


def test_each_composite_is_two_pairs_one_in_each_direction(shards):
    source = Subjects200K(shards([subject_row("Red mug.", number=3, image=png(composite(RED, BLUE)))]))
    assert len(source) == 2
    there, back = source[0], source[1]
    assert (there.reference == back.target).all() and (there.target == back.reference).all()
    assert there.caption == "Red mug. Right, this item is number 3."
    assert back.caption == "Red mug. Left, this item is number 3."
    assert there.words == back.words == "Red mug" and there.kind == "red mug"
    assert source.subject(0) == source.subject(1)


def test_rows_are_found_over_shards_and_row_groups(shards):
    rows = [subject_row(f"thing {i}", number=i) for i in range(23)]
    source = Subjects200K(shards(rows[:11], rows[11:], groups=4))
    assert [source[2 * i].words for i in range(23)] == [f"thing {i}" for i in range(23)]
    assert [source[2 * i].reference[5, 5, 1] for i in range(23)] == list(range(23))
    assert [row for group in source.groups() for row in group] == list(range(46))
    assert [len(group) for group in source.groups()] == [8, 8, 6, 8, 8, 8]
    assert source.where(2 * 13).endswith("train-1.parquet, row 2 (right as target)")


def test_few_row_groups_stay_in_memory(shards, monkeypatch):
    reads, read = [], Shards._table
    monkeypatch.setattr(Shards, "_table", lambda self, *what: reads.append(what) or read(self, *what))
    source = Subjects200K(shards([subject_row(number=i) for i in range(12)], groups=2), keep=2)
    assert {columns for _, columns in reads} == {("description", "quality_assessment", "collection")}
    reads.clear()
    for row in (0, 1, 2, 3, 4, 0, 7, 23, 22, 20):
        source[row]
    assert [number for number, _ in reads] == [0, 1, 5]
    source[4]
    assert len(reads) == 3
    source[0]
    assert [number for number, _ in reads] == [0, 1, 5, 0]


def test_rows_below_the_quality_are_left_out_and_counted(shards):
    rows = [
        subject_row("kept"),
        subject_row("four", quality=FIVES | {"objectConsistency": 4}),
        subject_row("unrated", quality=None),
        subject_row("half", quality=FIVES | {"imageQuality": None}),
        subject_row("invalid", valid=False),
        subject_row("unsure", valid=None),
        subject_row(" . "),
        subject_row(None),
    ]
    folder = shards(rows)
    source = Subjects200K(folder)
    assert len(source) == 2 and source[1].words == "kept"
    assert source.notes() == [
        f"{folder}: 1 of 8 composites kept; left out: 3 for a score below 5; "
        "left out: 4 for no valid description."
    ]
    assert len(Subjects200K(folder, min_quality=4)) == 4
    assert len(Subjects200K(folder, min_quality=0)) == 8


def test_nothing_kept_is_a_sentence(shards):
    folder = shards([subject_row(quality=FIVES | {"imageQuality": 3})] * 2)
    with pytest.raises(
        ValueError, match="0 of 2 composites kept; left out: 2 for a score below 5. Lower min_quality"
    ):
        Subjects200K(folder)


def test_a_shard_without_the_quality_column_is_a_sentence_unless_none_is_asked_for(shards):
    folder = shards([subject_row()], without=["quality_assessment"])
    with pytest.raises(
        ValueError, match=r"train-0.parquet has no column 'quality_assessment'.*min_quality: 0"
    ):
        Subjects200K(folder)
    assert len(Subjects200K(folder, min_quality=0)) == 2


def test_one_collection_alone(shards):
    folder = shards([subject_row("one") | {"collection": "collection_1"}, subject_row("two")])
    source = Subjects200K(folder, collection="collection_2")
    assert [source[row].words for row in range(len(source))] == ["two", "two"]
    assert "1 for another collection" in source.notes()[0]
    with pytest.raises(ValueError, match="no column 'collection'. Leave collection: collection_2 out"):
        Subjects200K(shards([subject_row()], without=["collection"]), collection="collection_2")


def test_kinds_are_categories_but_another_is_said_of_items(shards):
    folder = shards(
        [subject_row("A Lamp", " Furniture "), subject_row("sofa", "furniture"), subject_row("The lamp")]
    )
    source = Subjects200K(folder)
    assert [source.kind(row) for row in range(6)] == ["furniture"] * 4 + ["lamp"] * 2
    assert [source[row].kind for row in (0, 2, 4)] == ["lamp", "sofa", "lamp"]
    by_item = Subjects200K(folder, pair_by="item")
    assert [by_item.kind(row) for row in (0, 2, 4)] == ["lamp", "sofa", "lamp"]
    with pytest.raises(ValueError, match="by 'category' or by 'item', not by pair_by: 'colour'"):
        Subjects200K(folder, pair_by="colour")


@pytest.mark.parametrize(
    "image, reason, says",
    [
        (b"no picture", "unreadable picture", "10 bytes that cannot be read as a picture"),
        (b"", "unreadable picture", "no bytes"),
        (png(composite(RED, BLUE))[:200], "unreadable picture", "200 bytes that cannot be read as a picture"),
        (png(composite(RED, BLUE)[:, :100]), "shape of the composite", "100×80, which is not two squares"),
    ],
)
def test_a_corrupt_picture_is_a_bad_row_that_names_the_shard(shards, image, reason, says):
    source = Subjects200K(shards([subject_row(), subject_row(image=image)]))
    with pytest.raises(BadRow, match=rf"train-0.parquet, row 1 \(left as target\).*{says}.*skipped") as error:
        source[3]
    assert error.value.reason == reason
    assert source[0].words == "cat"


def test_pictures_that_are_only_named_are_a_bad_row(shards):
    row = subject_row()
    row["image"] = {"bytes": None, "path": "a.png"}
    with pytest.raises(BadRow, match="row 0.*bytes are not in the shard"):
        Subjects200K(shards([row]))[0]


def test_a_picture_may_be_bytes_alone(shards):
    row = subject_row(image=png(composite(RED, BLUE)))
    row["image"] = row["image"]["bytes"]
    assert (Subjects200K(shards([row]))[0].reference == framed(RED)).all()


def test_a_folder_without_shards_and_a_broken_shard_are_sentences(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not there"):
        Subjects200K(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no \*.parquet in it"):
        Subjects200K(tmp_path)
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="train-0.parquet cannot be read as Parquet .*Download it again"):
        Subjects200K(tmp_path)
    with pytest.raises(ValueError, match="train-0.parquet is not a folder"):
        Subjects200K(tmp_path / "train-0.parquet")


def test_shards_of_another_data_set_are_a_sentence(shards):
    folder = shards([subject_row()], without=["image"])
    with pytest.raises(
        ValueError, match="train-0.parquet has no column 'image'; its columns are: collection, descr"
    ):
        Subjects200K(folder)


def test_a_damaged_row_group_is_a_bad_row(shards):
    rows = [subject_row(number=i) for i in range(4)]
    folder = shards(rows, groups=2)
    source = Subjects200K(folder)
    (file,) = folder.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(BadRow, match="train-0.parquet cannot be read as Parquet") as error:
        source[0]
    assert error.value.reason == "damaged shard"
