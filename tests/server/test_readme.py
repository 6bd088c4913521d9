"""The program in README, as it is written, but with small models and this server's address."""

import re
import subprocess
import sys
import time

import pytest
from PIL import Image

from tools.comfy_server import ROOT

SMALL = """
from tools.stand_ins import with_small_models
prompt = with_small_models(prompt, size=96, steps=2, reference_size=64)
"""


@pytest.mark.parametrize("page", ("README.md", "README.zh.md"))
def test_its_program_draws_the_readers_pictures(server, page):
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert program.count("127.0.0.1:8188") == program.count("\nbody =") == 1
    program = program.replace("127.0.0.1:8188", server.address).replace("\nbody =", f"{SMALL}\nbody =")
    for name in ("dog.png", "toy.png"):
        Image.new("RGB", (64, 64), "red").save(server.base / "input" / name)
    before = set(server.json("/history"))
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    for _ in range(600):
        if new := set(server.json("/history")) - before:
            break
        time.sleep(0.1)
    (run,) = (server.json(f"/history/{name}")[name] for name in new)
    assert run["status"]["status_str"] == "success"
    asked = [node["inputs"] for node in run["prompt"][2].values()]
    assert {inputs["phrase"] for inputs in asked if "phrase" in inputs} == {"dog", "robot"}
