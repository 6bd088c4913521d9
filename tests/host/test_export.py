"""The branches as two ordinary LoRAs: ComfyUI's own loader reads them, and MUSAR Dual LoRA draws the same."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from training.export import export
from training.network.base import FluxTransformer2DModel
from training.network.dual_lora import DualLora, metadata


@pytest.fixture(scope="module")
def exported(files):
    """A dual LoRA on every layer of a small FLUX, and its two files."""
    with torch.device("meta"):
        network = FluxTransformer2DModel(
            num_layers=2,
            num_single_layers=3,
            num_attention_heads=2,
            joint_attention_dim=64,
            pooled_projection_dim=32,
            guidance_embeds=True,
        )
    lora = DualLora(network, {"subject": 8, "noise": 2}).to_empty(device="cpu")
    g = torch.Generator().manual_seed(0)
    for value in lora.parameters():
        value.data.copy_(0.05 * torch.randn(value.shape, generator=g))
    one = files.loras / "both.safetensors"
    save_file(lora.exported(), one, metadata(lora.ranks, "tiny", 7, trained={"static": True}))
    return one, *export(one, files.loras)


def dual(call, model, subject, noise="none"):
    return call(
        "MusarDualLora",
        model=model,
        subject_lora=subject,
        noise_lora=noise,
        subject_strength=1.0,
        noise_strength=1.0,
    )[0]


def test_the_stock_loader_reads_every_key(call, flux, exported, sample, condition, caplog):
    one, subject, noise = exported
    assert (subject.name, noise.name) == ("both_subject.safetensors", "both_noise.safetensors")
    plain = sample(flux, condition("a dog"))
    for file, layers in ((subject, "txt_attn"), (noise, "img_attn")):
        caplog.clear()
        model = call("LoraLoaderModelOnly", model=flux, lora_name=file.name, strength_model=1.0)[0]
        assert "lora key not loaded" not in caplog.text
        with safe_open(file, "pt") as opened:
            pairs = [key for key in opened.keys() if key.endswith("lora_A.weight")]
            assert opened.metadata()["musar_branch"] in file.name and opened.metadata()["step"] == "7"
        assert sum(map(len, model.patches.values())) == len(pairs)
        assert any(layers in key for key in model.patches)
        assert not torch.equal(sample(model, condition("a dog")), plain)


def test_two_files_draw_what_one_draws(call, flux, exported, route, sample, condition):
    one, subject, noise = (file.name for file in exported)
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a robot"))
    together = sample(dual(call, route(flux), one), positive)
    assert torch.equal(sample(dual(call, route(flux), subject, noise), positive), together)
    assert not torch.equal(sample(dual(call, route(flux), subject), positive), together)


def test_what_has_no_branches_is_a_sentence(files, tmp_path):
    save_file({"transformer.x.lora_A.weight": torch.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="has no branches .subject and noise.: it is an ordinary"):
        export(tmp_path / "plain.safetensors", tmp_path)
    with pytest.raises(ValueError, match="nothing.safetensors cannot be read as safetensors"):
        export(tmp_path / "nothing.safetensors", tmp_path)
