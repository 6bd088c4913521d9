"""FLUX.2 klein's words and pictures: the trainer's are ComfyUI's and diffusers', on small weights."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from musar_attention import find_phrase
from musar_attention.phrases import text_of
from training.encoders.klein import NO_TEXT, KleinEncoder
from training.network.batch import as_read

TOLERANCE = 1e-4
QWEN = {
    "vocab_size": 151936,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 28,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, nodes):
    from diffusers import AutoencoderKLFlux2
    from transformers import Qwen3Config, Qwen3ForCausalLM

    models = tmp_path_factory.mktemp("klein")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theta = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
        qwen = Qwen3ForCausalLM(Qwen3Config(**QWEN, **theta, head_dim=128, tie_word_embeddings=True))
        for name, value in qwen.named_parameters():
            if value.ndim > 1 and "embed" not in name:
                value.data.normal_(std=value.shape[-1] ** -0.5)
        blocks = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}
        vae = AutoencoderKLFlux2(**blocks)
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2)
    qwen.save_pretrained(models / "text_encoder")
    vae.save_pretrained(models / "vae")
    comfy = Path(os.environ["COMFYUI_PATH"], "comfy", "text_encoders")
    shutil.copytree(comfy / "qwen25_tokenizer", models / "tokenizer")
    return models


@pytest.fixture(scope="module")
def encoder(folder):
    return KleinEncoder(folder)


@pytest.fixture(scope="module")
def hosts(folder):
    """The host's own CLIP object, as CLIPLoader makes it for klein."""
    import comfy.sd
    from comfy.text_encoders.flux import KleinTokenizer, klein_te
    from safetensors.torch import load_file

    target = type("Target", (), {"params": {}, "clip": klein_te(), "tokenizer": KleinTokenizer})
    options = {"qwen3_4b_model_config": QWEN, "dtype": torch.float32}
    state = load_file(folder / "text_encoder" / "model.safetensors")
    return comfy.sd.CLIP(target, state_dict=[state], model_options=options)


def error(host, trainer):
    assert host.shape == trainer.shape
    return float((host - trainer).norm() / host.norm())


LONG = ", ".join(f"a dog with the number {i} on its back" for i in range(70))


@pytest.mark.parametrize("text", ("a dog and a robot", " Its fur's old-fashioned, isn't it?\n", LONG, ""))
def test_prompts_are_the_hosts(hosts, encoder, text):
    host = hosts.encode_from_tokens_scheduled(hosts.tokenize(text))[0][0][0]
    own, pooled = encoder.prompt(text)
    assert len(own) == encoder.tokens(text) >= 512 and pooled.numel() == 0
    count = len(encoder.pieces(text))
    assert error(host[:count], own[:count]) < TOLERANCE
    assert error(host, own) < TOLERANCE, "the padding too, which FLUX.2 sees"
    assert error(host[:count], encoder.words(text)) < TOLERANCE


def test_phrases_are_found_in_the_prompt_alone(encoder):
    """The template says "user" and "think" itself."""
    text = "a user and a grey robot-dog, thinking"
    pieces = encoder.pieces(text)
    assert pieces[0] == pieces[-1] == NO_TEXT and len(pieces) == len(encoder._ids(text))
    for phrase in ("user", "grey robot-dog"):
        span = find_phrase(pieces, phrase)
        assert b"".join(pieces[i] for i in span).decode().strip() == phrase
    with pytest.raises(ValueError, match="assistant"):
        find_phrase(pieces, "assistant")


@pytest.mark.parametrize("phrase", ("Škoda Octavia", "ḥammam", "हिन्द", "piñata", "猫", "🐱"))
@pytest.mark.parametrize("text", ("{} on a sofa", "the left part is: {}, the right part is: a dog"))
def test_a_letter_in_several_tokens_is_one(encoder, text, phrase):
    pieces = encoder.pieces(text.format(phrase))
    span = find_phrase(pieces, as_read(phrase, encoder))
    assert phrase in b"".join(pieces[i] for i in span).decode(errors="replace")
    assert "�" not in text_of(pieces)


def test_pictures_are_the_pipelines(folder, encoder):
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline

    vae = AutoencoderKLFlux2.from_pretrained(folder / "vae")
    pipeline = Flux2KleinPipeline(None, vae, None, None, None)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    latent = encoder.image(pixels)
    theirs = pipeline._encode_vae_image(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1, None)
    assert latent.shape == (128, 4, 6) and torch.allclose(latent, theirs[0], atol=1e-5)
    cells = pipeline._unpatchify_latents(
        latent[None] * (vae.bn.running_var + vae.config.batch_norm_eps).sqrt()[:, None, None]
        + vae.bn.running_mean[:, None, None]
    )
    drawn = (vae.decode(cells).sample[0].permute(1, 2, 0) * 127.5 + 127.5).clamp(0, 255)
    assert np.abs(encoder.picture(latent) - drawn.numpy()).max() <= 0.51
