"""`make host`: what goes wrong is said in one sentence, and nothing half-made stays."""

import dataclasses
import sys

import pytest

from tools import host as fetch

ARCHIVE = fetch.ARCHIVES[fetch.DEFAULT]


@pytest.fixture
def python():
    return sys.executable


def test_no_network(tmp_path, python, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(fetch.HostError, match="could not be downloaded: .*Check the network") as error:
        fetch.unpack(ARCHIVE, tmp_path / "host" / "0.30.0", python)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "host").iterdir())


def test_wrong_checksum(tmp_path, python):
    wrong = dataclasses.replace(ARCHIVE, sha256="0" * 64)
    with pytest.raises(fetch.HostError, match="has sha256 de5d0c32.*instead of 0000.*thrown away"):
        fetch.unpack(wrong, tmp_path / "host" / "0.30.0", python)
    assert not list((tmp_path / "host").iterdir())


def test_fetched_once(tmp_path, python, monkeypatch):
    goal = tmp_path / "host" / "0.30.0"
    fetch.unpack(ARCHIVE, goal, python)
    assert (goal / "main.py").exists() and (goal / "comfyui_version.py").read_text().count(fetch.DEFAULT)
    assert [p.name for p in goal.parent.iterdir()] == ["0.30.0"]
    monkeypatch.setattr(fetch, "run", lambda _: pytest.fail("fetched again"))
    fetch.unpack(ARCHIVE, goal, python)


def test_unknown_version(tmp_path):
    with pytest.raises(fetch.HostError, match="HOST is '9.9'; known versions of ComfyUI are 0.30.0"):
        fetch.make_host("9.9", tmp_path, tmp_path)
