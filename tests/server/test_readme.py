"""The program in README, as it is written, but with small models and this server's address."""

import re
import time

import pytest
from PIL import Image

from tools.comfy_server import ROOT
from tools.stand_ins import with_small_models

PAGES = ("README.md", "README.zh.md")


@pytest.mark.parametrize("page", PAGES)
def test_its_program_draws_the_readers_pictures(server, monkeypatch, page):
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    edits, found, queue = program.partition("body =")
    assert found and "127.0.0.1:8188" in queue
    for name in ("dog.png", "toy.png"):
        Image.new("RGB", (64, 64), "red").save(server.base / "input" / name)
    monkeypatch.chdir(ROOT)
    names = {}
    exec(edits, names)
    names["prompt"] = with_small_models(names["prompt"], size=96, steps=2, reference_size=64)
    asked = [node["inputs"] for node in names["prompt"].values()]
    assert {inputs["phrase"] for inputs in asked if "phrase" in inputs} == {"dog", "robot"}
    before = set(server.json("/history"))
    exec(found + queue.replace("127.0.0.1:8188", server.address), names)
    for _ in range(600):
        if new := set(server.json("/history")) - before:
            break
        time.sleep(0.1)
    (run,) = new
    assert server.json(f"/history/{run}")[run]["status"]["status_str"] == "success"
