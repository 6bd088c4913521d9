"""A plain folder of pairs, and everything that a person can forget in it."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.feed import Feed
from training.data.folder import Folder
from training.data.pair import BadRow
from training.data.pixels import decode

from .made import flat, png, write_pair


def test_pairs_are_read(tmp_path):
    write_pair(tmp_path / "b", json.dumps({"words": "The Owl", "caption": "the owl flies", "kind": " Bird "}))
    write_pair(tmp_path / "a", colour=(9, 8, 7))
    (tmp_path / ".cache").mkdir()
    (tmp_path / "notes.txt").write_text("not a pair")
    source = Folder(tmp_path)
    assert len(source) == 2 and source.notes() == []
    assert [source.kind(row) for row in range(2)] == ["cat", "bird"]
    first, second = source[0], source[1]
    assert (first.words, first.caption, first.kind) == ("a cat", "a cat on a sofa", "cat")
    assert (first.reference == flat((9, 8, 7))).all() and (first.target == flat((9, 8, 7), 48, 32)).all()
    assert (second.words, second.caption, second.kind) == ("The Owl", "the owl flies", "owl")


def test_who_is_on_several_pairs_never_meets_itself(tmp_path):
    """And what is paired as furniture is not called "another chair" beside a table."""
    said = [("a cat", "cat", "Tom"), ("a cat", "cat", " tom "), ("a cat", "cat", "Kitty")]
    said += [("a chair", "furniture", None), ("a table", "furniture", None)]
    for k, (words, kind, subject) in enumerate(said):
        told = {"words": words, "caption": f"{words} in a room", "kind": kind}
        write_pair(tmp_path / f"{k}", json.dumps(told | ({"subject": subject} if subject else {})))
    source = Folder(tmp_path)
    assert source.subject(0) == source.subject(1) != source.subject(2)
    assert source.subject(3) != source.subject(4)
    prompts = {Feed(source, {"same": 1}, seed=0)[k].prompt for k in range(40)}
    cats, furniture = ([p for p in prompts if word in p] for word in ("a cat", "a chair"))
    assert cats and all("another cat" in p for p in cats)
    assert furniture and all("a table" in p and "another" not in p for p in furniture)
    pairs = {Feed(source, {"same": 1}, seed=s).order[k].rows for s in range(5) for k in range(40)}
    assert not pairs & {(0, 1), (1, 0)}


def test_kinds_are_known_without_a_picture(tmp_path):
    write_pair(tmp_path / "a")
    (tmp_path / "a" / "ref.png").write_bytes(b"")
    assert Folder(tmp_path).kind(0) == "cat"


def test_an_empty_folder_and_a_missing_one_are_sentences(tmp_path):
    with pytest.raises(
        ValueError, match="has no subfolders. A pair is a subfolder with ref.png, target.png and capt"
    ):
        Folder(tmp_path)
    with pytest.raises(ValueError, match="The data's folder .*/nowhere is not there. Set another."):
        Folder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["ref.png", "target.png", "caption.json"])
def test_a_missing_file_leaves_its_pair_out_with_a_sentence(tmp_path, name):
    write_pair(tmp_path / "good")
    (write_pair(tmp_path / "poor") / name).unlink()
    source = Folder(tmp_path)
    assert len(source) == 1
    (note,) = source.notes()
    assert note.startswith(f"Left out for no {name}: {tmp_path / 'poor'} has no {name}.") and note.endswith(
        "add it."
    )


def test_nothing_that_can_be_used_is_a_sentence(tmp_path):
    write_pair(tmp_path / "poor", caption=None)
    with pytest.raises(
        ValueError, match="None of the 1 subfolders of .* can be used. .*poor has no caption.json"
    ):
        Folder(tmp_path)


@pytest.mark.parametrize(
    "text, says",
    [
        ("{", "is not JSON"),
        ("a cat", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('["a cat"]', r"holds \['a cat'\]"),
        ('{"caption": "a cat"}', "its 'words' is None, not words"),
        ('{"words": "a cat"}', "its 'caption' is None, not words"),
        ('{"words": " ", "caption": "a cat"}', "its 'words' is ' ', not words"),
        ('{"words": 3, "caption": "a cat"}', "its 'words' is 3, not words"),
        ('{"words": "a cat", "caption": "a cat", "kind": ["cat"]}', r"its 'kind' is \['cat'\], not words"),
    ],
)
def test_a_caption_that_is_none_is_a_sentence(tmp_path, text, says):
    write_pair(tmp_path / "poor", text)
    with pytest.raises(ValueError, match=rf"caption.json.*{says}.*Write it as {{\"words\": \"a cat\""):
        Folder(tmp_path)


def test_a_caption_may_come_from_an_editor_that_marks_its_files(tmp_path):
    write_pair(tmp_path / "a", '\ufeff{"words": "a cat", "caption": "a cat"}')
    assert Folder(tmp_path)[0].words == "a cat"


@pytest.mark.parametrize("name", ["ref.png", "target.png"])
def test_an_unreadable_picture_is_a_bad_row(tmp_path, name):
    folder = write_pair(tmp_path / "torn")
    (folder / name).write_bytes(png(flat((1, 2, 3)))[:60])
    with pytest.raises(
        BadRow, match=f"torn/{name}: there are 60 bytes that cannot be read as a picture"
    ) as error:
        Folder(tmp_path)[0]
    assert error.value.reason == "unreadable picture"


def test_greys_of_16_bits_keep_their_shades():
    greys = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    file = io.BytesIO()
    Image.fromarray(greys.astype(np.uint16)).save(file, "png")
    found = decode(file.getvalue(), "it")
    assert found.shape == (64, 64, 3) and np.abs(found - greys[..., None] / 257).max() <= 1
    file = io.BytesIO()
    Image.fromarray(greys.astype(np.float32)).save(file, "tiff")
    with pytest.raises(BadRow, match="its greys are of 32 bits; save it with 8"):
        decode(file.getvalue(), "it")


def test_a_phrase_that_the_caption_lost_is_skipped_and_reported(tmp_path):
    write_pair(tmp_path / "a")
    write_pair(tmp_path / "b", '{"words": "a cat", "caption": "a dog on a sofa"}')
    feed = Feed(Folder(tmp_path), {"single": 1}, seed=0)
    assert {feed[n].prompt for n in range(2)} == {"a cat on a sofa"}
    (line,) = feed.report()
    assert line.startswith(
        f"Skipped for phrase lost: 1, such as {tmp_path / 'b'}: The caption 'a dog on a sofa'"
    )


def test_what_is_transparent_shows_paper_and_cameras_are_held_upright():
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    clear.putpixel((0, 0), (0, 0, 0, 0))
    file = io.BytesIO()
    clear.save(file, "png")
    assert decode(file.getvalue(), "it").tolist() == [[[255, 255, 255], [255, 0, 0]]]
    turned = Image.new("RGB", (4, 2))
    exif = turned.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "jpeg", exif=exif)
    assert decode(file.getvalue(), "it").shape == (4, 2, 3)


GOOD = [png(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))]
for form in ("jpeg", "webp", "gif", "tiff", "bmp"):
    file = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file, form)
    GOOD.append(file.getvalue())


@pytest.mark.filterwarnings("ignore:::PIL")
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.integers(0, 99),
)
def test_damage_anywhere_gives_pixels_or_a_bad_row(data, changes, cut):
    broken = bytearray(data)
    for place, value in changes:
        broken[place % len(broken)] = value
    try:
        pixels = decode(bytes(broken[: len(broken) - cut]), "it")
    except BadRow as error:
        assert str(error).startswith("it: there are ") and error.reason == "unreadable picture"
    else:
        assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
