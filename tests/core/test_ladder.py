"""The check of imports finds each kind of wrong one, and names its line."""

import pytest

from tools.ladder import ROOT, check

RULES = """
[tool.ladder.core]
libraries = ["torch"]
[tool.ladder.pack]
uses = ["core"]
floors = ["host.families", "host"]
[tool.ladder.train]
uses = ["core"]
never = ["comfy"]
"""
RIGHT = {
    "core/a.py": "import math\nimport torch.nn\n",
    "pack/node.py": "from ..core import a\nfrom .host import wrapper\n",
    "pack/host/wrapper.py": "from ...core.a import x\nfrom .families import one\n",
    "pack/host/families/one.py": "import comfy\nimport nodes\n",
    "train/run.py": "from core import a\nfrom .loop import go\n",
    "train/loop.py": "",
}


@pytest.fixture
def broken(tmp_path):
    """broken("core/a.py", text): what the check says of a small tree with that file changed."""

    def run(changed=None, text=""):
        (tmp_path / "pyproject.toml").write_text(RULES)
        for name, right in RIGHT.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text if name == changed else right)
        return check(tmp_path)

    return run


def test_a_tree_that_keeps_to_it(broken):
    assert broken() == []


def test_this_tree():
    assert check(ROOT) == []


def test_rooms_and_folders_are_the_same(broken, tmp_path):
    broken()
    (tmp_path / "shed").mkdir()
    (tmp_path / "shed" / "a.py").touch()
    (tmp_path / "pyproject.toml").write_text(RULES + "[tool.ladder.attic]\nuses = ['cellar']\n")
    assert check(tmp_path) == [
        "pyproject.toml: attic uses cellar, which does not lie below it.",
        "pyproject.toml: the room attic has no folder.",
        "pyproject.toml: shed is no room, and holds Python.",
    ]


@pytest.mark.parametrize(
    "file, text, says",
    (
        ("core/a.py", "import numpy", "core/a.py:1: core uses numpy. Of libraries it may use torch."),
        ("core/a.py", "import pack.node", "core/a.py:1: core uses pack.node. It may use no other room."),
        (
            "pack/node.py",
            "\nfrom ..train import run",
            "pack/node.py:2: pack uses train.run. It may use core.",
        ),
        ("pack/node.py", "def f():\n    from ..train.run import x", "pack/node.py:2: pack uses train.run"),
        ("pack/host/families/one.py", "from ..wrapper import x", "pack/host/families uses pack.host.wrapper"),
        ("pack/host/wrapper.py", "from .. import node", "pack/host uses pack.node, which lies above it."),
        (
            "train/run.py",
            "if 0:\n    import comfy.sd",
            "train/run.py:2: train uses comfy, which it must never",
        ),
        ("train/loop.py", "from .run import x", "These files need each other: train."),
    ),
)
def test_what_breaks_it(broken, file, text, says):
    said, *circle = broken(file, text)  # some go round in a circle, too
    assert says in said and len(circle) <= 1
