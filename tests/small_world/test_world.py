"""Sprites: what is drawn is what is known."""

import numpy as np
import pytest

from musar_attention import find_phrases
from sprites.world.captions import caption, held_out_prompt
from sprites.world.identity import all_identities, held_out, sprite
from sprites.world.kinds import KINDS, bitmap
from sprites.world.palette import NAMES, RGB, SUBJECTS, latent_codes, nearest, picture
from sprites.world.places import background
from sprites.world.scene import pick_identity, pick_scene, place_subjects
from studies.base_model.samples import diptychs, scenes


def many(count, subjects=None):
    rng = np.random.default_rng(0)
    for i in range(count):
        n = subjects or 1 + i % 5
        yield pick_scene(rng, n, max(2, n), same=0.5)


def test_over_five_hundred_looks():
    assert len(all_identities()) > 500
    for kind in KINDS:
        looks = {sprite(kind, identity).tobytes() for identity in all_identities()}
        # a tree has four rows of body, so that its belt is a cap with the colours swapped
        assert len(looks) == (len(all_identities()) if kind != "tree" else 462), kind


def test_twelve_kinds_that_differ_in_six_cells_at_least():
    assert len(KINDS) >= 12
    for i, a in enumerate(KINDS):
        for b in KINDS[:i]:
            assert (bitmap(a) != bitmap(b)).sum() >= 6, (a, b)


def test_latent_codes_differ_in_half_of_their_channels():
    codes = latent_codes()
    assert codes.shape == (len(NAMES), 16)
    differ = (codes[:, None] != codes[None]).sum(-1)
    assert differ[~np.eye(len(codes), dtype=bool)].min() >= 8


def test_masks_boxes_and_looks_are_where_they_are_said_to_be():
    for scene in many(50):
        cells, inside = scene.cells(), np.zeros((scene.rows, scene.columns), bool)
        for subject in scene.subjects:
            row, column, rows, columns = subject.box
            part = cells[row : row + rows, column : column + columns]
            look = sprite(subject.kind, subject.identity)
            assert (part[look >= 0] == look[look >= 0]).all()
            mask = subject.mask(scene.rows, scene.columns)
            assert not (inside & mask).any(), "subjects overlap"
            inside |= mask
        assert (cells[~inside] == background(scene.place, scene.columns)[~inside]).all()
        colours = cells < SUBJECTS
        assert not colours[~inside].any(), "a background uses a subject's colour"


def test_parts_name_the_tokens_of_subjects():
    for scene in many(20):
        parts = scene.parts()
        inside = np.zeros(parts.shape, bool)
        for subject in scene.subjects:
            row, column, rows, columns = (x // 2 for x in subject.box)
            part = parts[row : row + rows, column : column + columns]
            inside[row : row + rows, column : column + columns] = True
            assert set((part.ravel() - 1) // 9) == {KINDS.index(subject.kind)}
            assert sorted((part.ravel() - 1) % 9) == list(range(9))
        assert (parts[~inside] == 0).all()


def test_the_same_seed_draws_the_same_world():
    for a, b in zip(many(20), many(20)):
        assert a == b and (a.cells() == b.cells()).all()


def test_captions_name_every_subject_left_to_right(encode):
    rng = np.random.default_rng(0)
    for scene in many(60):
        words = caption(rng, scene)
        pieces = encode.tokenizer.convert_ids_to_tokens(encode.tokenizer(words).input_ids)
        spans = find_phrases(pieces, [s.kind for s in scene.subjects])
        assert [s[0] for s in spans] == sorted(s[0] for s in spans)
        assert scene.place in words


def test_training_never_draws_what_is_held_out():
    rng = np.random.default_rng(0)
    for kind in KINDS:
        assert not any(held_out(kind, pick_identity(rng, kind)) for _ in range(200))
        assert all(held_out(kind, pick_identity(rng, kind, held=True)) for _ in range(20))
        assert 20 < sum(held_out(kind, i) for i in all_identities()) < 120
    held = [held_out_prompt(scene) for scene in many(300, subjects=2)]
    assert 0.02 < np.mean(held) < 0.25


def test_samples_are_not_of_held_out_prompts(monkeypatch):
    import studies.base_model.samples as samples

    drawn = []
    monkeypatch.setattr(samples, "caption", lambda rng, scene: drawn.append(scene) or "")
    source = scenes(np.random.default_rng(0), 2, [1, 2])
    for _ in range(300):
        next(source)
    assert len(drawn) == 300 and not any(map(held_out_prompt, drawn))


def test_diptychs_are_two_panels_that_often_show_one_subject_twice():
    source = diptychs(np.random.default_rng(0))
    same = 0
    for _ in range(100):
        sample = next(source)
        assert sample.cells.shape == (16, 32) and sample.parts.shape == (8, 16)
        kinds = [set((half[half > 0] - 1) // 9) for half in np.split(sample.parts, 2, 1)]
        assert all(len(k) == 1 for k in kinds)
        words = sample.caption.split("the right part is:")[1]
        if "the same" in words:
            same += 1
            looks = [c[(c < SUBJECTS)] for c in np.split(sample.cells, 2, 1)]
            assert kinds[0] == kinds[1] and (np.bincount(looks[0]) == np.bincount(looks[1])).all()
        else:
            assert ("another" in words) == (kinds[0] == kinds[1])
    assert 30 < same < 70


def test_more_subjects_than_slots_is_a_sentence():
    with pytest.raises(ValueError, match="3 subjects do not stand side by side in 2 slots"):
        place_subjects(np.random.default_rng(0), ["cat"] * 3, 2)


def test_pictures_read_back():
    cells = np.arange(len(RGB))[None]
    assert (nearest(picture(cells)[::8, ::8]) == cells).all()
