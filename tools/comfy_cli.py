"""The registry's own tool on this checkout, without a network: is it valid, and what would it pack?

It lives in an environment of its own (`make comfy-cli`), as its requirements are not ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .comfy_server import ROOT

VERSION = "1.23.0"
VENV = ROOT / ".venv-comfy-cli"
NOWHERE = "http://127.0.0.1:9"  # for whatever would call home


def make() -> None:
    """The environment, unless it is there."""
    done = VENV / f"has-{VERSION}"
    if done.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, f"comfy-cli=={VERSION}"], check=True)
    done.touch()


def comfy_node(command: str) -> str:
    """What `comfy node <command>` says; RuntimeError where it fails."""
    program = VENV / "bin" / "comfy"
    if not program.exists():
        raise RuntimeError("There is no comfy-cli here: run `make comfy-cli`.")
    with tempfile.TemporaryDirectory() as home:
        around = os.environ | {"HOME": home, "XDG_CONFIG_HOME": home, "DO_NOT_TRACK": "1"}
        around |= {name: NOWHERE for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
        around |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        done = subprocess.run(
            [str(program), "--skip-prompt", "node", command],
            cwd=ROOT,
            env=around,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"comfy node {command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def packed_by_it(file: Path) -> Path:
    """`comfy node pack`; it writes where it stands."""
    made = ROOT / "node.zip"
    try:
        comfy_node("pack")
        return Path(shutil.move(made, file))
    finally:
        made.unlink(missing_ok=True)


if __name__ == "__main__":
    make()
