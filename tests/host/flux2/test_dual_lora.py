"""MUSAR Dual LoRA on FLUX.2: in every naming that ComfyUI reads, each token sees its own branch."""

import logging

import pytest
import torch

from ..branches import layers

PROMPT = "a dog, a robot and a house"
PROMPTS = ("a dog", "", "a house")
BLOCKS = [name for name in layers() if "blocks" in name]
THEIRS = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "img_attn.proj": ("attn.to_out.0",),
    "img_mlp.0": ("ff.linear_in",),
    "img_mlp.2": ("ff.linear_out",),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "txt_attn.proj": ("attn.to_add_out",),
    "txt_mlp.0": ("ff_context.linear_in",),
    "txt_mlp.2": ("ff_context.linear_out",),
    "linear1": ("attn.to_qkv_mlp_proj",),
    "linear2": ("attn.to_out",),
}


def keys(name, naming):
    """As a layer is called, or its parts: (stem of the key, name of down, of up)."""
    if naming == "diffusers":
        kind, number, part = name.split(".", 2)
        block = f"transformer.{kind.replace('double_', '').replace('_blocks', '_transformer_blocks')}"
        block = block.replace("transformer.blocks", "transformer.transformer_blocks")
        return [(f"{block}.{number}.{own}", "lora_A", "lora_B") for own in THEIRS[part]]
    if naming == "kohya":
        return [(f"lora_unet_{name.replace('.', '_')}", "lora_down", "lora_up")]
    return [(f"diffusion_model.{name}", "lora_A", "lora_B")]  # ai-toolkit


def branch(flux, naming, seed, rank=4, names=BLOCKS):
    """Its file, and the change of each layer's weight by hand."""
    g, state, changes = torch.Generator().manual_seed(seed), {}, {}
    for name in names:
        layer, parts = flux.model.diffusion_model.get_submodule(name), []
        stems = keys(name, naming)
        for stem, down, up in stems:
            a = torch.randn(rank, layer.in_features, generator=g) * layer.in_features**-0.5
            b = torch.randn(layer.out_features // len(stems), rank, generator=g) * 0.15
            state |= {f"{stem}.{down}.weight": a, f"{stem}.{up}.weight": b}
            scale = 1.0
            if naming == "kohya":
                state[f"{stem}.alpha"], scale = torch.tensor(2.0), 2.0 / rank
            parts.append(scale * b @ a)
        changes[name] = torch.cat(parts)
    return state, changes


@pytest.mark.parametrize("naming", ("diffusers", "kohya", "ai-toolkit"))
def test_each_token_sees_its_own_branch(
    flux, condition, route, sample, owners, lora, by_hand, caplog, naming
):
    (subject, of_subject), (noise, of_noise) = (branch(flux, naming, seed) for seed in (1, 2))
    positive = condition(PROMPT, "dog", "robot", "house", prompts=PROMPTS)
    plain = sample(route(flux), positive)
    owners.seen.clear()
    with caplog.at_level(logging.WARNING, logger="musar"):
        model = lora(route(flux), subject, noise)
    assert not caplog.records, "a layer was left out"
    ours = sample(model, positive)
    owners.replay(list(owners.seen))
    by_hand(lambda name: (of_subject.get(name), of_noise.get(name)))
    hand = sample(route(flux), positive)
    assert (ours - hand).abs().max() <= 1e-4 * hand.abs().max()
    assert (ours - plain).abs().max() > 1e-2 * hand.abs().max()


@pytest.mark.parametrize("naming", ("diffusers", "kohya", "ai-toolkit"))
def test_load_lora_reads_them_all(flux, condition, route, sample, call, files, by_hand, naming):
    """For all tokens, routed: the host's own way."""
    from safetensors.torch import save_file

    state, changes = branch(flux, naming, 3)
    save_file(state, files.loras / f"flux2-{naming}.safetensors")
    model = call(
        "LoraLoaderModelOnly",
        model=route(flux, dynamic=False),
        lora_name=f"flux2-{naming}.safetensors",
        strength_model=1.0,
    )[0]
    merged = flux.clone()
    merged.add_patches({f"diffusion_model.{n}.weight": (c,) for n, c in changes.items()}, 1.0)
    positive = condition(PROMPT, "dog", "robot", prompts=PROMPTS)
    expected = sample(route(merged, dynamic=False), positive)
    assert (sample(model, positive) - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_strength_zero_is_the_model_itself(flux, lora):
    state, _ = branch(flux, "ai-toolkit", 1)
    assert lora(flux, state, subject_strength=0.0, noise_strength=0.0) is flux


def test_without_subjects_it_changes_nothing(flux, lora, sample, condition):
    state, _ = branch(flux, "ai-toolkit", 1)
    plain = condition(PROMPT)
    assert torch.equal(sample(lora(flux, state), plain), sample(flux, plain))


def of_flux1(*names, inputs=256, outputs=256):
    shapes = {"lora_A": (4, inputs), "lora_B": (outputs, 4)}
    return {f"{name}.{x}.weight": torch.ones(shape) for name in names for x, shape in shapes.items()}


@pytest.mark.parametrize(
    "state",
    (
        of_flux1(*(f"transformer.transformer_blocks.{i}.attn.to_q" for i in range(19))),
        of_flux1(
            "diffusion_model.double_blocks.0.img_attn.proj", "diffusion_model.double_blocks.18.img_attn.proj"
        ),
        of_flux1("transformer.transformer_blocks.0.norm1.linear", outputs=1536),
        of_flux1("transformer.single_transformer_blocks.0.norm.linear", outputs=768),
        {
            "lora_unet_double_blocks_12_img_attn_qkv.lora_down.weight": torch.ones(4, 256),
            "lora_unet_double_blocks_12_img_attn_qkv.lora_up.weight": torch.ones(768, 4),
        },
    ),
    ids=("peft", "bfl", "modulation", "single modulation", "kohya"),
)
def test_a_lora_for_flux1(flux, lora, state):
    with pytest.raises(
        ValueError, match="is a LoRA for FLUX.1: it has blocks or layers that FLUX.2 does not"
    ):
        lora(flux, state)


def test_a_lora_of_another_flux2(flux, lora):
    state = of_flux1("transformer.single_transformer_blocks.0.attn.to_out", inputs=512, outputs=384)
    with pytest.raises(
        ValueError, match="does not fit the model: at diffusion_model.single_blocks.0.linear2"
    ):
        lora(flux, state)


def test_flux2s_shared_modulation_is_no_sign_of_flux1(flux, lora, caplog):
    state, _ = branch(flux, "ai-toolkit", 1, names=BLOCKS[:1])
    shared = of_flux1("diffusion_model.double_stream_modulation_img.lin", outputs=1536)
    shared |= of_flux1("diffusion_model.single_stream_modulation.lin", outputs=768)
    with caplog.at_level(logging.WARNING, logger="musar"):
        lora(flux, state | shared)
    assert "left out" in caplog.text
