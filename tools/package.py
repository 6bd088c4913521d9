"""`make package`: what the Comfy Registry would deliver, as one zip, and how large it is.

That is what git tracks, less what .comfyignore names: as `comfy node pack` has it, and a test holds the two
together. Git itself reads the patterns, so nothing has to be installed for it.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from .comfy_server import ROOT

NAME = "comfyui-musar"
TRUSTED = ("-c", "safe.directory=*")  # in a container the checkout may be another user's


class NoClone(Exception):
    """A sentence for the person who ran the command."""


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *TRUSTED, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise NoClone(f"The package is what git tracks, and {ROOT} is no clone: {done.stderr.strip()}")
    return done.stdout


def tracked(*which: str) -> set[str]:
    return {name for name in git("ls-files", "-z", *which).split("\0") if name and (ROOT / name).is_file()}


def delivered() -> list[str]:
    return sorted(tracked() - tracked("--cached", "--ignored", "--exclude-from=.comfyignore"))


def pack(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in delivered():
            packed.write(ROOT / name, name)
    return file


def megabytes(names: set[str]) -> float:
    return sum((ROOT / name).stat().st_size for name in names) / 1e6


def measured(file: Path) -> str:
    """Before and after, in one line."""
    counted = dict(line.split(": ") for line in git("count-objects", "-v").splitlines())
    history = (int(counted["size"]) + int(counted["size-pack"])) / 1000
    everything, ours, zipped = tracked(), set(delivered()), file.stat().st_size / 1e6
    return (
        f"The clone has {len(everything)} files of {megabytes(everything):.1f} MB and {history:.1f} MB of "
        f"history; the package {len(ours)} files of {megabytes(ours):.1f} MB, {zipped:.1f} MB as a zip."
    )


def main() -> None:
    try:
        print(measured(pack(ROOT / "output" / f"{NAME}.zip")))
    except NoClone as error:
        sys.exit(f"make package: {error}")


if __name__ == "__main__":
    main()
