"""The contact sheet of examples."""

import sys

import numpy as np
import pytest
from PIL import Image

from training.data.feed import Feed
from training.data.preview import REFERENCE, TARGET, cells, fit, main
from training.data.sprites import Sprites

from .made import flat, write_pair


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["preview", *map(str, arguments)])
    main()


def test_a_sheet_of_sprites(monkeypatch, tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    run(monkeypatch, "--source", "sprites", "--count", 3, "--out", out)
    sheet = np.asarray(Image.open(out).convert("RGB"))
    assert sheet.shape[0] > 3 * TARGET and len(np.unique(sheet.reshape(-1, 3), axis=0)) > 10
    assert f"3 examples in {out}" in capsys.readouterr().out


def test_a_sheet_of_a_folder_reports_what_was_left_out(monkeypatch, tmp_path, capsys):
    for name in "abc":
        write_pair(tmp_path / "pairs" / name)
    (tmp_path / "pairs" / "c" / "ref.png").unlink()
    run(
        monkeypatch,
        "--source",
        "folder",
        "--folder",
        tmp_path / "pairs",
        "--count",
        2,
        "--out",
        tmp_path / "s.png",
    )
    assert "Left out for no ref.png" in capsys.readouterr().out


def test_random_and_same_kind_diptychs_take_turns(monkeypatch, tmp_path):
    import training.data.preview as preview

    shown = []
    monkeypatch.setattr(preview, "cells", lambda example: shown.append(example) or cells(example))
    run(monkeypatch, "--count", 6, "--out", tmp_path / "s.png")
    assert ["another" in example.prompt for example in shown[1::2]] == [True] * 3
    assert not all("another" in example.prompt for example in shown[::2])


def test_no_examples_is_a_sentence(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--count", 0, "--out", tmp_path / "s.png")
    assert "1 or more; found 0" in capsys.readouterr().err


def test_words_and_pictures_of_an_example_are_all_there():
    example = Feed(Sprites(50), {"same": 1}, 0)[0]
    shown = cells(example)
    assert [words for words, _ in shown] == [*(r.words for r in example.references), example.prompt]
    assert [len(picture) for _, picture in shown] == [REFERENCE // 64 * 64, REFERENCE // 64 * 64, TARGET]


def test_pictures_of_any_size_fit():
    assert fit(flat(5, 1024, 512), 160).shape == (160, 80, 3)
    assert fit(flat(5, 64, 32), 160).shape[0] in (128, 160)
    assert fit(flat(5, 2000, 1), 160).shape == (160, 1, 3)


def test_a_missing_folder_is_a_sentence_and_no_traceback(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="needs the setting 'folder'"):
        run(monkeypatch, "--source", "folder", "--out", tmp_path / "s.png")
