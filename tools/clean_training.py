"""`make clean-training`: docs/training.md in a clean virtual environment on a fresh clone, as it is written.

Its commands run one after another, from the install line to the LoRAs in ComfyUI's folder. What a person
brings, the models and Subjects200K, is made tiny, and the clone's configs small; no command is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("docs") / "training.md"
BRING = """
import pathlib, yaml
from tools.tiny_training import CONFIGS, WRITERS, tiny_config, write_subjects200k
write_subjects200k(pathlib.Path("data/Subjects200K"))
for name, file in CONFIGS.items():
    own, small = yaml.safe_load(file.read_text()), tiny_config(pathlib.Path("."), name)
    WRITERS[name](pathlib.Path(own["base"]))
    encoder = own["encoder"] | {"device": "cpu", "ahead": 4}
    kept = {name: own[name] for name in ("base", "data")}
    file.write_text(yaml.safe_dump(small | kept | {"encoder": encoder}))
"""


def main() -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", (ROOT / PAGE).read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in commands for line in block.splitlines() if line.strip()]
    (install, *others) = lines
    with tempfile.TemporaryDirectory(prefix="training_") as folder:
        clone, comfy = Path(folder, "clone"), Path(folder, "ComfyUI")
        (comfy / "models" / "loras").mkdir(parents=True)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(Path(folder, "venv"))], check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COMFYUI"))} | {
            "PATH": f"{Path(folder, 'venv', 'bin')}:{os.environ['PATH']}",
            "COMFYUI_PATH": str(comfy),
            "HF_HUB_OFFLINE": "1",
        }

        def run(line: str) -> None:
            print(f"$ {line}", flush=True)
            subprocess.run(["bash", "-c", line], cwd=clone, env=environment, check=True)

        run(install)
        subprocess.run(["python", "-c", BRING], cwd=clone, env=environment, check=True)
        for line in others:
            run(line)
        found = sorted(p.name for p in (comfy / "models" / "loras").iterdir())
        if found != ["klein_dual_lora.safetensors", "musar_dual_lora.safetensors"]:
            raise SystemExit(f"ComfyUI's folder of LoRAs holds {found}, and should hold both.")
        print(f"{len(lines)} commands of {PAGE} ran as they are written.")


if __name__ == "__main__":
    main()
