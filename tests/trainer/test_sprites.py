"""Sprites as pairs: what is held out is never drawn, and a row is always the same."""

import numpy as np
import pytest

from sprites.world.captions import a, held_out_prompt
from sprites.world.identity import held_out
from sprites.world.kinds import KINDS
from sprites.world.palette import PAPER, SUBJECTS, nearest
from sprites.world.places import PLACES
from sprites.world.scene import EVERY, Placed, Scene, columns_for
from sprites.world.scene import reference as drawn
from training.data.feed import Feed
from training.data.sprites import Sprites
from training.data.sprites_scenes import SpritesScenes
from training.data.words import find_words


def cells(pixels):
    return nearest(pixels[::8, ::8])


def places_of(caption):
    return [place for place in PLACES if place in caption]


def test_a_row_is_a_function_of_the_seed_and_its_number():
    first, again, other = Sprites(50, seed=3), Sprites(90, seed=3), Sprites(50, seed=4)
    for row in (7, 0, 49):
        one, two = first[row], again[row]
        assert one.caption == two.caption and (one.target == two.target).all()
        assert (one.reference == two.reference).all() and first.subject(row) == again.subject(row)
    assert any(first[row].caption != other[row].caption for row in range(20))


def test_pairs_show_one_subject_twice():
    source = Sprites(200)
    for row in range(0, 200, 3):
        pair = source[row]
        assert pair.reference.shape == (64, 64, 3) and pair.target.shape == (128, 128, 3)
        assert pair.words == a(pair.kind) and pair.kind == source.kind(row)
        assert find_words(pair.caption, pair.words)
        (place,) = places_of(pair.caption)
        look = next(i for i in EVERY if str(i) == source.subject(row)[1])
        corners = [drawn(pair.kind, look, y, x) for y in (0, 2) for x in (0, 2)]
        assert any((cells(pair.reference) == corner).all() for corner in corners)
        scenes = [
            Scene(place, (Placed(pair.kind, look, 2 + 6 * down, 2 + 6 * slot),), columns_for(2)).cells()
            for down in (0, 1)
            for slot in (0, 1)
        ]
        assert sum((cells(pair.target) == scene).all() for scene in scenes) == 1


def test_every_kind_place_and_corner_is_drawn():
    source = Sprites(1500)
    pairs = [source[row] for row in range(600)]
    assert {pair.kind for pair in pairs} == set(KINDS)
    assert {place for pair in pairs for place in places_of(pair.caption)} == set(PLACES)
    tops = {int(np.argmax((cells(p.reference) != PAPER).any(1))) for p in pairs if p.kind == "robot"}
    assert tops == {0, 2}


def test_nothing_held_out_is_drawn():
    source = Sprites(1500, seed=1)
    looks = {str(identity): identity for identity in EVERY}
    for row in range(1500):
        kind, look = source.subject(row)
        assert not held_out(kind, looks[look])
    for row in range(600):
        pair = source[row]
        (place,) = places_of(pair.caption)
        scene = Scene(place, (Placed(pair.kind, EVERY[0], 2, 2),), columns_for(2))
        assert not held_out_prompt(scene), pair.caption
    every = [
        Scene(place, (Placed(kind, EVERY[0], 2, 2),), columns_for(2)) for place in PLACES for kind in KINDS
    ]
    assert any(map(held_out_prompt, every)), "nothing is held out, so this test shows nothing"


def test_same_kind_diptychs_show_two_looks():
    feed = Feed(Sprites(300), {"same": 1}, seed=0)
    for number in range(100):
        left, right = feed.order[number].rows
        assert feed.source.kind(left) == feed.source.kind(right)
        assert feed.source.subject(left) != feed.source.subject(right)
        example = feed[number]
        assert "another" in example.prompt and example.target.shape == (128, 256, 3)
        assert [(cells(r.image) < SUBJECTS).any() for r in example.references] == [True, True]


def test_bad_settings_and_rows_are_sentences():
    with pytest.raises(ValueError, match="rows from 1 and a seed from 0; found 0 and 0"):
        Sprites(0)
    with pytest.raises(IndexError, match="opened with 5 rows; asked for row 5"):
        Sprites(5)[5]


def test_without_a_tokenizer_a_sentence_says_where_it_is_looked_for(tmp_path, monkeypatch):
    from sprites import text_encoder

    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(ValueError, match=f"COMFYUI_PATH is {tmp_path}, which has none. Run `make host`"):
        text_encoder.tokenizer_folder()
    monkeypatch.delenv("COMFYUI_PATH")
    monkeypatch.setattr(text_encoder, "FETCHED", tmp_path)
    with pytest.raises(ValueError, match="no ComfyUI was fetched"):
        text_encoder.tokenizer_folder()
    (tmp_path / "0.1.0" / text_encoder.TOKENIZER).mkdir(parents=True)
    (tmp_path / "0.1.0" / text_encoder.TOKENIZER / "tokenizer.json").touch()
    assert text_encoder.tokenizer_folder() == tmp_path / "0.1.0" / text_encoder.TOKENIZER


def test_true_scenes_are_functions_of_their_row():
    scenes = SpritesScenes(rows=40, seed=3, subjects=[1, 2, 3])
    for row in range(40):
        one, again = scenes[row], SpritesScenes(rows=40, seed=3, subjects=[1, 2, 3])[row]
        assert one.prompt == again.prompt and np.array_equal(one.target, again.target)
        assert 1 <= len(one.references) <= 3
        ends = [find_words(one.prompt, r.phrase, r.occurrence)[1] for r in one.references]
        assert ends == sorted(ends), "references stand as the prompt names them"
        assert one.target.shape[1] == 8 * columns_for(max(2, len(one.references)))


def test_references_in_any_order():
    scenes = SpritesScenes(rows=40, seed=3, subjects=[3], in_order=False)
    orders = [
        [find_words(e.prompt, r.phrase, r.occurrence)[1] for r in e.references]
        for e in map(scenes.__getitem__, range(40))
    ]
    assert any(ends != sorted(ends) for ends in orders)


@pytest.mark.parametrize("wrong", [{"subjects": [0]}, {"subjects": []}, {"rows": 0}])
def test_scenes_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="numbers from 1 to 8|rows from 1"):
        SpritesScenes(**wrong)
