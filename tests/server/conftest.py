"""A real ComfyUI server process with tiny models of FLUX.1's own architecture.

What it loads is what people get: the pack as the registry would deliver it, not the checkout, and what the
zip to try Sprites brings.
"""

from __future__ import annotations

import json
import os
import zipfile

import pytest

from gallery.on_sprites import with_sprites
from gallery.on_tiny import with_tiny_flux2
from gallery.try_sprites import write_zip
from tools.comfy_host import use_comfy
from tools.comfy_server import ROOT, ComfyServer, Refused, host_from_environment
from tools.package import NAME, measured, pack
from tools.stand_ins import with_small_models
from tools.tiny import write_models
from tools.tiny_adapters import write_adapters

API = ROOT / "workflows" / "api"
SIZE = pytest.StashKey[str]()


def pytest_configure(config):
    if not os.environ.get("COMFYUI_PATH"):
        pytest.exit("COMFYUI_PATH is not set: run `make test-server`, which fetches ComfyUI.", 2)


@pytest.fixture(scope="session")
def packed(tmp_path_factory, pytestconfig):
    """The package, as a zip and unpacked; its size is in the log."""
    file = pack(tmp_path_factory.mktemp("package") / f"{NAME}.zip")
    folder = file.with_suffix("")
    with zipfile.ZipFile(file) as package:
        package.extractall(folder)
    pytestconfig.stash[SIZE] = measured(file)
    return file, folder


@pytest.fixture(scope="session")
def try_sprites(tmp_path_factory):
    return write_zip(tmp_path_factory.mktemp("sprites") / "try_sprites.zip")


def pytest_terminal_summary(terminalreporter, config):
    if size := config.stash.get(SIZE, ""):
        terminalreporter.write_line(size)


@pytest.fixture(scope="session")
def server(tmp_path_factory, packed, try_sprites):
    base = tmp_path_factory.mktemp("comfy")
    comfy, python = host_from_environment()
    use_comfy(comfy)
    write_models(base / "models")
    write_adapters(base / "models")
    with_sprites(base)
    with_tiny_flux2(base)
    with zipfile.ZipFile(try_sprites) as dropped:
        for name in dropped.namelist():
            (base / name).unlink(missing_ok=True)  # the checkout's, which these files take the place of
        dropped.extractall(base)
    with ComfyServer(base, comfy, python, packs={NAME: packed[1]}) as running:
        yield running


@pytest.fixture(scope="session")
def too_old(server):
    """too_old(prompt): this host is known to lack what one of its nodes wants, and says which one."""
    version = server.json("/system_stats")["system"]["comfyui_version"]
    lacks = {"CreateBoundingBoxes"} if version in ("0.18.2", "0.24.1") else set()
    vaes = {"taef2"} if version == "0.18.2" else set()

    def check(prompt):
        nodes = prompt.values()
        named = [n["_meta"]["title"] for n in nodes if n["class_type"] in lacks]
        named += [n["inputs"]["vae_name"] for n in nodes if n["inputs"].get("vae_name") in vaes]
        if named:
            with pytest.raises(Refused, match=named[0]):
                server.run(prompt)
        return bool(named)

    return check


@pytest.fixture
def small():
    """small("two_subjects_uno"): that shipped prompt with tiny models and a small picture."""

    def load(name, **sizes):
        prompt = json.loads((API / f"{name}.json").read_text())
        return with_small_models(prompt, **{"size": 96, "steps": 2, "reference_size": 64, **sizes})

    return load


@pytest.fixture
def edited(small):
    """edited(("MusarSubject.phrase", "hat")): the two-subject prompt with inputs changed; None
    takes one away, and `add` brings nodes in."""

    def edit(*changes, add=None):
        prompt = small("two_subjects_uno") | (add or {})
        for where, value in changes:
            kind, key = where.split(".", 1)
            node = next(n for n in prompt.values() if n["class_type"] == kind)
            if value is None:
                del node["inputs"][key]
            else:
                node["inputs"][key] = value
        return prompt

    return edit
