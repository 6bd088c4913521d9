"""Every shipped prompt, with Sprites' files in it, draws the subjects it names."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from gallery.on_sprites import as_sprites
from gallery.thumbnails import PICTURE, draw_thumbnail
from sprites.judge import Request, judge, read_cells
from tools.comfy_server import ROOT

WORKFLOWS = ROOT / "workflows"
PROMPTS = sorted(file.stem for file in (WORKFLOWS / "api").glob("*.json"))


@pytest.mark.parametrize("name", PROMPTS)
def test_its_subjects_are_there(server, too_old, name):
    prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())
    if too_old(as_sprites(prompt)):
        return
    kinds = [n["inputs"]["phrase"] for n in prompt.values() if n["class_type"] == "MusarSubject"]
    for file in server.run(as_sprites(prompt)).images[PICTURE]:
        picture = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        verdict = judge(read_cells(picture), Request(kinds, "on the beach"))
        assert verdict.present == 1 and verdict.place == "on the beach"


@pytest.mark.parametrize("name", PROMPTS)
def test_its_thumbnail_is_what_it_draws(server, too_old, name):
    """Square by square: another processor's last bits may differ, a cell of another colour may not."""
    prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())
    if too_old(as_sprites(prompt)):
        return
    shown = Image.open(WORKFLOWS / f"{name}.jpg")
    squares = [
        np.asarray(image.convert("RGB"), float).reshape(48, 8, 48, 8, 3).mean((1, 3))
        for image in (shown, draw_thumbnail(server, prompt))
    ]
    assert np.abs(squares[0] - squares[1]).max() <= 12


def test_each_has_a_form_that_opens_and_a_thumbnail():
    assert PROMPTS == sorted(file.stem for file in WORKFLOWS.glob("*.json"))
    assert PROMPTS == sorted(file.stem for file in WORKFLOWS.glob("*.jpg"))
