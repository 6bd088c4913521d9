"""The shipped models of Sprites in the stock host: they load, agree with the trainer, and draw."""

import hashlib
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from demo.painter import FLUX, MODELS, TEXT, VAE, Painter
from sprites.judge import Request, judge, read_cells
from sprites.judge.self_test import read_truth
from sprites.latents import cells_of
from sprites.text_encoder import TextEncoder
from sprites.world.captions import caption, held_out_prompt
from sprites.world.palette import picture
from sprites.world.scene import pick_scene


@pytest.fixture(scope="module")
def painter(nodes):
    return Painter()


def test_small_and_as_the_page_says():
    page = (MODELS / "README.md").read_text()
    listed = dict(re.findall(r"## (\S+)\n.*?sha256: `([0-9a-f]{64})`", page, re.DOTALL))
    assert sorted(listed) == sorted([FLUX, VAE, TEXT])
    for name, digest in listed.items():
        assert hashlib.sha256((MODELS / name).read_bytes()).hexdigest() == digest, name
    assert sum((MODELS / name).stat().st_size for name in listed) < 60e6


@pytest.mark.parametrize("prompt", ["a cat next to a robot on the beach", "", "a duck " * 40])
def test_the_host_reads_words_as_the_trainer_does(painter, prompt):
    encode = TextEncoder(load_file(MODELS / TEXT))
    ((context, values),) = painter.words(prompt)
    embeddings, pooled = encode(prompt)
    assert torch.allclose(context[0], embeddings, atol=1e-6)
    assert torch.allclose(values["pooled_output"][0], pooled, atol=1e-6)


def test_vae_round_trips_are_read_right(painter):
    truth = read_truth(25, view=painter.round_trip)
    assert min(truth.kinds, truth.positions, truth.identities, truth.places) >= 0.98
    assert truth.diptychs == 0


def test_the_vae_gives_the_codes_that_the_base_model_learned(painter):
    cells = pick_scene(np.random.default_rng(0), 2, 2).cells()
    image = torch.from_numpy(picture(cells)).float()[None] / 255
    latent = painter.flux.model.process_latent_in(painter.vae.encode(image))
    assert (cells_of(latent) == cells).all(), "the nearest code of each cell is its colour's"


def test_words_alone_draw_what_they_name(painter):
    """A floor under docs/sprites.md's figures for new prompts: twelve pictures, not hundreds."""
    rng, present, places = np.random.default_rng(7), [], []
    while len(present) < 12:
        scene = pick_scene(rng, 1 + len(present) % 2, 2)
        if held_out_prompt(scene):
            (drawn,) = painter.draw(caption(rng, scene), scene.rows, scene.columns, seed=len(present))
            verdict = judge(read_cells(drawn), Request([s.kind for s in scene.subjects], scene.place))
            present.append(verdict.present)
            places.append(verdict.place == scene.place)
    assert np.mean(present) >= 0.75 and np.mean(places) >= 0.9
