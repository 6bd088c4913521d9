"""A tier that collected nothing or skipped something fails; so does one whose host is missing."""

import os
import subprocess
import sys

import pytest

from tools.comfy_server import ROOT

TESTS = {
    "passes": ("def test_one(): assert 1", 0),
    "skips": ("import pytest\ndef test_one(): pytest.skip('no host')\ndef test_two(): pass", 1),
    "collects nothing": ("", 5),
}


@pytest.mark.parametrize("name", TESTS)
def test_exit_status(tmp_path, name):
    text, status = TESTS[name]
    (tmp_path / "conftest.py").symlink_to(ROOT / "tests" / "conftest.py")
    (tmp_path / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == status


@pytest.mark.parametrize("tier", ("host", "server"))
def test_no_host_is_no_pass(tier):
    environment = {k: v for k, v in os.environ.items() if k != "COMFYUI_PATH"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "tests" / "pytest.ini"),
        str(ROOT / "tests" / tier),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "COMFYUI_PATH is not set" in done.stdout + done.stderr
