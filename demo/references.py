"""The pictures that the shipped workflows ask for, as Sprites has them: a cat, a robot, a ball, a scene."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from sprites.world.identity import Identity
from sprites.world.palette import picture
from sprites.world.scene import Scene, columns_for, pick_identity, place_subjects, reference

FILES = {"cat.png": "cat", "robot.png": "robot", "ball.png": "ball", "cat_2.png": "cat"}
MORE = {"car.png": "car", "duck.png": "duck", "boat.png": "boat"}  # beside three of those
SCENE = "scene.png"  # to start from
VIEW = ("cat_view.png", "cat.png")  # another view of the same subject: it stands elsewhere
FOR_TRYING = {f"sprites_{kind}.png": f"{kind}.png" for kind in ("cat", "robot", "ball", "car", "duck")}
REGIONS = ("region_1.png", "region_2.png")  # top left and bottom right, painted as the mask editor does


def write_references(folder: Path, side: int = 64) -> list[Path]:
    """Looks that were never drawn in training, without a colour in common."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, taken, looks = np.random.default_rng(41), set(), {}
    for name, kind in FILES.items():
        while True:
            looks[name] = pick_identity(rng, kind, held=True)
            if not _colours(looks[name]) & taken:
                break
        taken |= _colours(looks[name])
    others = np.random.default_rng(43)  # there are not enough colours for all
    looks |= {name: pick_identity(others, kind, held=True) for name, kind in MORE.items()}
    for name, identity in looks.items():
        _save(reference((FILES | MORE)[name], identity), folder / name, side)
    _save(reference(FILES[VIEW[1]], looks[VIEW[1]], 2, 2), folder / VIEW[0], side)
    for name, same in FOR_TRYING.items():  # in a folder of somebody's own pictures
        shutil.copyfile(folder / same, folder / name)
    for k, name in enumerate(REGIONS):
        painted = np.full((128, 128, 4), 255, np.uint8)
        painted[64 * k : 64 * (k + 1), 64 * k : 64 * (k + 1), 3] = 0
        Image.fromarray(painted).save(folder / name)
    subjects = place_subjects(rng, ["cat", "robot"], 2)
    Image.fromarray(picture(Scene("on the beach", subjects, columns_for(2)).cells())).save(folder / SCENE)
    return [folder / name for name in looks]


def _colours(identity: Identity) -> set[int]:
    return {identity.first, identity.second}


def _save(cells: np.ndarray, file: Path, side: int) -> None:
    Image.fromarray(picture(cells)).resize((side, side), Image.Resampling.NEAREST).save(file)
