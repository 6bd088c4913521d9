"""Sprites of FLUX.2 in the stock host: its words, its pictures."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sprites.chat_text import read_chat_text
from sprites.judge import read_cells
from sprites.latents import cells_of, flux2_latents_of
from sprites.world.palette import picture
from sprites.world.scene import pick_scene
from studies.base_model.chat import new_text
from studies.base_model.flux2_models import VAE, twice
from studies.base_model.publish import publish
from tools.comfy_server import ROOT
from training.encoders.sprites_flux2 import TEXT, SpritesFlux2Encoder

MODELS = ROOT / "demo" / "models"
UNKNOWN = "a zebra and a cat on paper"


@pytest.fixture(scope="module")
def reader():
    """Of random weights."""
    return new_text({"seed": 3, "length": 48}, MODELS)


@pytest.fixture(scope="module")
def file(reader, files):
    save_file(reader.text.file(), files.text_encoders / "chat.safetensors")
    return files.text_encoders / "chat.safetensors"


@pytest.mark.parametrize("prompt", ("a cat next to another cat, in the snow", "", UNKNOWN))
def test_the_host_reads_words_as_the_trainer_does(file, call, prompt):
    clip = call("MusarDemoTextEncoder", text_encoder=file.name)[0]
    ((context, _),) = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
    own, pooled = SpritesFlux2Encoder(MODELS, text=read_chat_text(file)).prompt(prompt)
    assert context[0].shape == own.shape == (512, 192) and not pooled.numel()
    error = (context[0] - own).norm() / own.norm()
    assert error < 2e-3, "ComfyUI keeps text encoders in half precision"
    shuffled = own[torch.randperm(len(own))]
    assert (context[0] - shuffled).norm() / own.norm() > 0.1


def test_the_committed_file_knows_the_words_of_the_world(reader, files, call):
    kept = SpritesFlux2Encoder(MODELS / "flux2")
    assert kept.text.known.tolist() == reader.text.known.tolist()
    (files.text_encoders / "kept.safetensors").write_bytes((MODELS / "flux2" / TEXT).read_bytes())
    clip = call("MusarDemoTextEncoder", text_encoder="kept.safetensors")[0]
    prompt = "a cat next to a robot on the beach"
    ((context, _),) = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
    own, _ = kept.prompt(prompt)
    assert (context[0] - own).norm() / own.norm() < 2e-3


def test_numbers_of_words_are_published_as_they_are(tmp_path):
    weights = {"known": torch.tensor([3, 151_668]), "words": torch.tensor([0.1])}
    published = load_file(publish(weights, tmp_path / "file.safetensors", torch.float16))
    assert published["known"].equal(weights["known"]) and published["words"].dtype == torch.float16


def test_a_long_prompt_is_a_sentence(reader):
    with pytest.raises(ValueError, match="48 tokens at most"):
        reader.prompt("a cat and " * 30)


@pytest.mark.since("0.24.0")  # the small VAE of FLUX.2
def test_the_vae_gives_the_codes_that_the_base_model_learned(files, call):
    for name, half in twice(load_file(MODELS / "sprites_vae.safetensors")).items():
        save_file(half, files.vae_approx / name)
    vae = call("VAELoader", vae_name=VAE)[0]
    cells = pick_scene(np.random.default_rng(0), 2, 2).cells()
    latent = vae.encode(torch.from_numpy(picture(cells)).float()[None] / 255)
    assert latent.shape == (1, 128, cells.shape[0] // 2, cells.shape[1] // 2)
    assert (cells_of(latent) == cells).all(), "the nearest code of each cell is its colour's"
    drawn = vae.decode(flux2_latents_of([cells]) + 0.3 * torch.randn(latent.shape))
    assert (read_cells((drawn[0].numpy() * 255).astype(np.uint8)) == cells).mean() > 0.99
