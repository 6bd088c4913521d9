"""`make try-sprites`: a zip to unpack into a ComfyUI, and the graph that then runs there in seconds.

For who has no terminal and wants to see routing before the large downloads: the models of Sprites, the node
that loads their text encoder, two references, and the graph among the user's own workflows.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from demo.painter import FILES, FLUX, LORA, TEXT, UNO, VAE
from demo.references import FOR_TRYING, write_references
from tools.comfy_server import PACKS, ROOT

from .bases import MUSAR
from .graph import Graph, draw
from .on_sprites import as_sprites

NAME = "try_sprites"
NODE = "custom_nodes/musar_demo"
THEIRS = {"unet_name": FLUX, "vae_name": VAE, "text_encoder": TEXT, "subject_lora": LORA}
ABOUT = (
    "Sprites is a small world of pixel art with a FLUX of its own, so this runs in seconds, on a CPU too. "
    "Press *Run* and watch MUSAR Routing decide whose each part is. Then exchange a reference (there are "
    "`sprites_ball.png`, `sprites_car.png` and `sprites_duck.png` too) and its words, also in the prompt. "
    "It draws its few kinds of things as their references show them, and nothing else. It needs "
    "`try_sprites.zip`, which has its models, its text encoder's node and its pictures: README, "
    "*First picture*, says how to get it."
)


def try_sprites(subjects: list[tuple[str, str]], words: str) -> Graph:
    """`two_subjects_musar` with the models of Sprites under their own names."""
    pictures = {same: name for name, same in FOR_TRYING.items()}
    g = draw(NAME, MUSAR, [(kind, pictures[file]) for kind, file in subjects], words)
    g.prompt = as_sprites(g.prompt)
    for node in g.prompt.values():
        node["inputs"] |= {name: file for name, file in THEIRS.items() if name in node["inputs"]}
    g.prompt["7"]["_meta"]["title"] = "Negative (no words)"
    g.notes = [ABOUT]
    return g


def write_zip(file: Path) -> Path:
    """Paths in it are those in a ComfyUI's folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed, tempfile.TemporaryDirectory() as folder:
        for name, model in FILES.items():
            if not name.endswith(UNO):
                packed.write(model, f"models/{name}")
        for source in sorted(PACKS["musar-demo"].glob("*.py")):
            packed.write(source, f"{NODE}/{source.name}")
        packed.write(ROOT / "LICENSE", f"{NODE}/LICENSE")
        write_references(Path(folder))
        for name in FOR_TRYING:
            packed.write(Path(folder) / name, f"input/{name}")
        packed.write(ROOT / "workflows" / f"{NAME}.json", f"user/default/workflows/{NAME}.json")
    return file


def main() -> None:
    file = write_zip(ROOT / "output" / f"{NAME}.zip")
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.1f} MB. Unpack it into a ComfyUI's folder.")


if __name__ == "__main__":
    main()
