"""FLUX.2's description, its preset, and what does not belong together: each a sentence."""

import pytest
import torch
from safetensors.torch import save_file

from tools.tiny import text_weights, vae_weights

PROMPT = "a dog and a robot"
FOLLOWS = "as the conditioning says"


@pytest.fixture(scope="module")
def older(call, files):
    """older.clip and older.vae: FLUX.1's."""
    save_file(text_weights(), files.text_encoders / "flux1_text.safetensors")
    save_file(vae_weights(), files.vae / "flux1_vae.safetensors")

    class Older:
        clip = call("MusarDemoTextEncoder", text_encoder="flux1_text.safetensors")[0]
        vae = call("VAELoader", vae_name="flux1_vae.safetensors")[0]

    return Older


def test_its_blocks_and_tokens(flux, dev, pack):
    families = pack("nodes.host.families")
    for model in (flux, dev):
        assert families.family_of(model) is families.FLUX2
    first, count = families.FLUX2.first_blocks(flux.model.diffusion_model)
    assert first == {"double": 0, "single": 2} and count == 5
    assert families.FLUX2.token == 16 and families.FLUX2.tokens_of(7, 8) == (7, 8)


def test_every_encoders_tokens_are_its_own(pack):
    families = pack("nodes.host.families")
    for key in ("qwen3_4b", "qwen3_8b", "mistral3_24b"):
        assert families.family_of_tokens({key: []}) is families.FLUX2
    assert families.family_of_tokens({"l": [], "t5xxl": []}) is families.FLUX1
    with pytest.raises(ValueError, match="no T5, Qwen3 or Mistral tokens, only qwen3_2b"):
        families.family_of_tokens({"qwen3_2b": []})


def test_its_preset(flux, route, sample, condition):
    names, plain = ("dog", "robot"), {"evidence": "centred"}
    by_hand = sample(
        route(flux, False, owners_by="reference", **plain), condition(PROMPT, *names, positions="index")
    )
    preset = condition(PROMPT, *names, positions="column", preset="FLUX.2")
    assert torch.equal(sample(route(flux, True, settings=FOLLOWS), preset), by_hand)
    by_phrase = route(flux, False, **plain)
    assert not torch.equal(sample(by_phrase, condition(PROMPT, *names, positions="index")), by_hand)
    with pytest.raises(
        ValueError,
        match="preset is 'UNO', which FLUX.2 does not have. Choose 'FLUX.2', 'FLUX.2, four or more', 'MUS",
    ):
        condition(PROMPT, "dog", preset="UNO")


def test_its_preset_for_four_or_more(flux, route, sample, condition):
    names, steps = ("dog", "robot"), {"steps": 3}
    told = {"evidence": "sharp", "owners_by": "attention", "remember": True, "smooth": True}
    by_hand = sample(route(flux, False, **told), condition(PROMPT, *names, positions="index"), **steps)
    preset = condition(PROMPT, *names, positions="column", preset="FLUX.2, four or more")
    assert torch.equal(sample(route(flux, True, settings=FOLLOWS), preset, **steps), by_hand)
    for name in told:
        less = {k: v for k, v in told.items() if k != name}
        other = sample(route(flux, False, **less), condition(PROMPT, *names, positions="index"), **steps)
        assert not torch.equal(other, by_hand)


def test_the_preset_of_a_dual_lora(flux, route, sample, condition):
    """As training/configs/flux2_klein_4b.yaml trains one, but for evidence, which presets have centred."""
    names = ("dog", "robot")
    by_hand = sample(route(flux, True, evidence="centred"), condition(PROMPT, *names, positions="index"))
    preset = condition(PROMPT, *names, positions="column", preset="MUSAR")
    assert torch.equal(sample(route(flux, False, settings=FOLLOWS), preset), by_hand)


def test_presets_of_saved_graphs_keep_their_names(pack):
    saved = {"MUSAR", "UNO", "Kontext", "UNO, four or more", "FLUX.2", "FLUX.2, four or more"}
    saved |= {"Kontext, one place", "MUSAR, four or more"}
    assert saved <= set(pack("nodes.host.families").PRESETS)


def test_flux1s_vae(condition, older):
    with pytest.raises(
        ValueError, match="latents of 16 channels, and FLUX.2's gives 128. Load FLUX.2's flux2-v"
    ):
        condition(PROMPT, "dog", vae=older.vae)


def test_flux2s_vae_with_flux1s_words(condition, older):
    with pytest.raises(ValueError, match="latents of 128 channels, and FLUX.1's gives 16. Load FLUX.1's ae"):
        condition(PROMPT, "dog", clip=older.clip)


def test_flux1s_conditioning(flux, route, sample, condition, older):
    positive = condition(PROMPT, "dog", clip=older.clip, vae=older.vae)
    with pytest.raises(ValueError, match="encoded for FLUX.1, and the model is FLUX.2"):
        sample(route(flux), positive)


def test_the_text_encoder_of_another_flux2(flux, route, sample, condition):
    """As klein 4B's with klein 9B: T is narrower than the model reads."""
    positive = [[context[..., :64], values] for context, values in condition(PROMPT, "dog")]
    with pytest.raises(ValueError, match="gives 64 numbers a word, and this FLUX.2 model reads 96.*Qwen3 8B"):
        sample(route(flux), positive)


def test_a_latent_of_another_kind(flux, route, sample, condition, older, picture):
    latent = {"samples": older.vae.encode(picture(96, 80))}
    with pytest.raises(
        ValueError, match="gets 16 latent channels and the references have 128.*Encode the pic"
    ):
        sample(route(flux), condition(PROMPT, "dog"), latent=latent)


def test_a_flux2_that_takes_more_inputs(load_flux, route):
    with pytest.raises(ValueError, match="FLUX.2 variant with 256 input channels instead of 128"):
        route(load_flux(256, 1, 1, channels=256))


def test_a_relative_nobody_has_heard_of_yet(flux, route):
    import comfy.model_base

    patcher = flux.clone()
    patcher.model = object.__new__(type("Flux2Max", (comfy.model_base.Flux2,), {}))
    with pytest.raises(ValueError, match="model is Flux2Max, a relative of FLUX.2"):
        route(patcher)
