"""The pictures that the shipped workflows ask for, as Sprites has them: a cat, a robot, a ball, a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sprites.world.palette import picture
from sprites.world.scene import Scene, columns_for, pick_identity, place_subjects, reference

FILES = {"cat.png": "cat", "robot.png": "robot", "ball.png": "ball", "cat_2.png": "cat"}
SCENE = "scene.png"  # to start from
VIEW = ("cat_view.png", "cat.png")  # another view of the same subject: it stands elsewhere
REGIONS = ("region_1.png", "region_2.png")  # top left and bottom right, painted as the mask editor does


def write_references(folder: Path, side: int = 64) -> list[Path]:
    """Looks that were never drawn in training, without a colour in common."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, taken, files = np.random.default_rng(41), set(), []
    for name, kind in FILES.items():
        while True:
            identity = pick_identity(rng, kind, held=True)
            if not {identity.first, identity.second} & taken:
                break
        taken |= {identity.first, identity.second}
        image = Image.fromarray(picture(reference(kind, identity)))
        files.append(folder / name)
        image.resize((side, side), Image.Resampling.NEAREST).save(files[-1])
        if name == VIEW[1]:
            view = Image.fromarray(picture(reference(kind, identity, 2, 2)))
            view.resize((side, side), Image.Resampling.NEAREST).save(folder / VIEW[0])
    for k, name in enumerate(REGIONS):
        painted = np.full((128, 128, 4), 255, np.uint8)
        painted[64 * k : 64 * (k + 1), 64 * k : 64 * (k + 1), 3] = 0
        Image.fromarray(painted).save(folder / name)
    subjects = place_subjects(rng, ["cat", "robot"], 2)
    Image.fromarray(picture(Scene("on the beach", subjects, columns_for(2)).cells())).save(folder / SCENE)
    return files
