"""LoRA files: every naming the host reads, and a sentence for each that cannot be used."""

import zipfile

import pytest
import torch
from safetensors.torch import save_file

HIDDEN = 256


@pytest.fixture
def parse(flux, pack, files):
    """parse(state): the targets by module and columns, through a file as the node reads it."""

    def run(state, metadata=None):
        module = pack("nodes.host.lora_files")
        path = files.loras / "parsed.safetensors"
        save_file(state, path, metadata)
        return {
            (t.module, t.columns and (t.columns.start, t.columns.stop)): t
            for t in module.parse(
                module.read_file(path), flux.model, pack("nodes.host.families").FLUX1, path.name
            )
        }

    return run


def pair(key, inputs, outputs, a="lora_A", b="lora_B", rank=3):
    return {f"{key}.{a}.weight": torch.ones(rank, inputs), f"{key}.{b}.weight": torch.ones(outputs, rank)}


def test_diffusers_targets_are_slices_of_fused_weights(parse):
    state = {}
    for key in ("transformer_blocks.0.attn.to_k", "transformer_blocks.1.attn.add_v_proj"):
        state |= pair(f"transformer.{key}", HIDDEN, HIDDEN)
    state |= pair("transformer.single_transformer_blocks.2.attn.to_q", HIDDEN, HIDDEN)
    state |= pair("transformer.single_transformer_blocks.2.proj_mlp", HIDDEN, 4 * HIDDEN)
    state |= pair("transformer.single_transformer_blocks.2.proj_out", 5 * HIDDEN, HIDDEN)
    state |= pair("transformer.transformer_blocks.0.ff.net.0.proj", HIDDEN, 4 * HIDDEN)
    found = {(name.removeprefix("diffusion_model."), at): t.stream for (name, at), t in parse(state).items()}
    assert found == {
        ("double_blocks.0.img_attn.qkv", (256, 512)): "image",
        ("double_blocks.1.txt_attn.qkv", (512, 768)): "text",
        ("single_blocks.2.linear1", (0, 256)): "joint",
        ("single_blocks.2.linear1", (768, 1792)): "joint",
        ("single_blocks.2.linear2", None): "joint",
        ("double_blocks.0.img_mlp.0", None): "image",
    }


@pytest.mark.parametrize(
    "key, a, b",
    (
        ("diffusion_model.double_blocks.0.img_attn.proj", "lora_A", "lora_B"),  # BFL
        ("transformer.transformer_blocks.0.attn.to_out.0", "lora_A", "lora_B"),  # PEFT
        ("lora_unet_double_blocks_0_img_attn_proj", "lora_down", "lora_up"),  # kohya
    ),
)
def test_namings(parse, key, a, b):
    state = pair(key, HIDDEN, HIDDEN, a, b) | {f"{key}.alpha": torch.tensor(6.0)}
    (found,) = parse(state).values()
    assert found.module == "diffusion_model.double_blocks.0.img_attn.proj"
    assert found.scale == 6 / 3 and found.down.shape == (3, HIDDEN)


def test_uno(load_flux, pack):
    """UNO's own naming is known by its last blocks, so it takes a network of full depth."""
    from tools.tiny import uno_lora_weights

    model = load_flux(128, 19, 38).model
    targets = pack("nodes.host.lora_files").parse(
        uno_lora_weights(), model, pack("nodes.host.families").FLUX1, "uno"
    )
    assert len(targets) == 19 * 4 + 38 * 2
    assert {t.stream for t in targets} == {"image", "text", "joint"}


def test_what_does_not_act_on_tokens_is_left_out_with_one_warning(parse, caplog):
    state = pair("transformer.transformer_blocks.0.attn.to_k", HIDDEN, HIDDEN)
    state |= pair("transformer.transformer_blocks.0.norm1.linear", HIDDEN, 6 * HIDDEN)
    state |= pair("transformer.transformer_blocks.1.norm1.linear", HIDDEN, 6 * HIDDEN)
    state |= pair("transformer.norm_out.linear", HIDDEN, 2 * HIDDEN)  # the host swaps its halves
    assert len(parse(state)) == 1
    (record,) = (r for r in caplog.records if r.name == "musar")
    assert "2 × diffusion_model.double_blocks.N.img_mod.lin" in record.message
    assert "1 × diffusion_model.final_layer.adaLN_modulation.1" in record.message


def test_unknown_keys_are_listed_in_one_warning(parse, caplog):
    state = pair("transformer.transformer_blocks.0.attn.to_k", HIDDEN, HIDDEN)
    state |= {f"something.{i}": torch.zeros(1) for i in range(7)}
    parse(state)
    (record,) = (r for r in caplog.records if r.name == "musar")
    assert "something.0" in record.message and "and 2 more" in record.message


KEY = "transformer.transformer_blocks.0.attn.to_k"


@pytest.mark.parametrize(
    "state, says",
    (
        (pair("lora_unet_input_blocks_1_1_proj_in", 320, 320, "lora_down", "lora_up"), "Stable Diffusion"),
        (pair("unet.down_blocks.0.attn.to_k", 320, 320), "Stable Diffusion"),
        (
            pair("double_blocks_0.processor.qkv_lora1", HIDDEN, 768, "down", "up"),
            "DreamO file.*only its own nodes do.*or UNO",
        ),
        (
            pair("transformer_blocks.0.attn.processor.q_loras.0", HIDDEN, HIDDEN, "down", "up"),
            "EasyControl file",
        ),
        (pair(KEY, 128, HIDDEN), "maps 128 inputs to 256 outputs, and the layer has 256 and 256"),
        (pair(KEY, HIDDEN, 3072), "maps 256 inputs to 3072 outputs"),
        (pair(KEY, HIDDEN, HIDDEN, rank=0), "rank 0"),
        ({k: v * float("nan") for k, v in pair(KEY, HIDDEN, HIDDEN).items()}, "not numbers"),
        (
            {"something": torch.zeros(3)},
            "fits no linear layer of this FLUX.1 model; its keys look like something",
        ),
        (
            {f"{KEY}.lora_A.weight": torch.ones(HIDDEN), f"{KEY}.lora_B.weight": torch.ones(HIDDEN)},
            "matrices",
        ),
        (
            {k: v.to(torch.int8) for k, v in pair(KEY, HIDDEN, HIDDEN).items()},
            "factors are matrices of floats",
        ),
        (pair(KEY, HIDDEN, HIDDEN) | {f"{KEY}.alpha": torch.ones(3)}, "alpha is not one number"),
        (pair(KEY, HIDDEN, HIDDEN) | {f"{KEY}.alpha": torch.tensor(float("nan"))}, "alpha is not one number"),
        (
            {f"{KEY}.lora_A.weight": torch.ones(3, HIDDEN), f"{KEY}.lora_B.weight": torch.ones(HIDDEN, 4)},
            "is broken at .*one factor has rank 3, the other 4",
        ),
        (
            pair(KEY, HIDDEN, HIDDEN) | {f"{KEY}.dora_scale": torch.ones(HIDDEN, 1)},
            "LoCon, DoRA or control LoRA .*Put it in Load LoRA",
        ),
        (
            {f"{KEY}.hada_w{i}_{x}": torch.ones(HIDDEN, 2) for i in (1, 2) for x in "ab"},
            "is of kind loha; MUSAR Dual LoRA takes plain LoRAs only. Put it in Load LoRA",
        ),
    ),
)
def test_files_that_cannot_be_used(parse, state, says):
    with pytest.raises(ValueError, match=says) as error:
        parse(state)
    assert "parsed.safetensors" in str(error.value)


def test_fp8_factors_and_onetrainer_text_encoders_are_taken(parse):
    state = {k: v.to(torch.float8_e4m3fn) for k, v in pair(KEY, HIDDEN, HIDDEN).items()}
    assert len(parse(state)) == 1
    text = pair("lora_te2_encoder_block_0_layer_0_SelfAttention_q", 64, 64, "lora_down", "lora_up")
    assert len(parse(pair(KEY, HIDDEN, HIDDEN) | text)) == 1


@pytest.fixture
def branches(flux, pack, tmp_path):
    """branches(subject, noise): the branch names that the node would use of these two files."""

    def read(subject, noise=None, strengths=(1.0, 1.0)):
        paths = []
        for name, state in (("one", subject), ("two", noise)):
            paths.append(None if state is None else tmp_path / f"{name}.safetensors")
            if state is not None:
                save_file(state, paths[-1])
        found = pack("nodes.host.lora_files").read_branches(
            *paths,
            dict(zip(("subject", "noise"), strengths)),
            flux.model,
            pack("nodes.host.families").FLUX1,
        )
        return {b.name: b.targets[0].down.shape[0] for b in found}

    return read


def prefixed(branch, rank):
    return {f"{branch}.{k}": v for k, v in pair(KEY, HIDDEN, HIDDEN, rank=rank).items()}


def test_which_branch_comes_from_where(branches, caplog):
    plain = pair(KEY, HIDDEN, HIDDEN, rank=3)
    dual = prefixed("subject", 5) | prefixed("noise", 2)
    assert branches(plain) == {"subject": 3}
    assert branches(plain, plain) == {"subject": 3, "noise": 3}
    assert branches(dual) == {"subject": 5, "noise": 2}
    assert branches(dual, plain) == {"subject": 5, "noise": 3}
    assert branches(plain, dual) == {"subject": 3, "noise": 2}
    assert branches(dual, strengths=(0, 1)) == {"noise": 2}
    assert branches(prefixed("noise", 2), strengths=(0, 1)) == {"noise": 2}
    with pytest.raises(
        ValueError, match="one.safetensors holds a noise branch only. Choose it as noise_lora"
    ):
        branches(prefixed("noise", 2))
    with pytest.raises(ValueError, match="two.safetensors holds a subject branch only. Choose it as subject"):
        branches(plain, prefixed("subject", 2))
    assert branches(dual | {"stray": torch.zeros(1)}) == {"subject": 5, "noise": 2}
    assert "ignored keys of neither branch: stray" in caplog.text


def test_files_that_cannot_be_read(pack, files, tmp_path):
    read = pack("nodes.host.lora_files").read_file
    whole = tmp_path / "whole.safetensors"
    save_file(pair(KEY, HIDDEN, HIDDEN), whole)
    cases = {
        "truncated.safetensors": (whole.read_bytes()[:-100], "not a whole safetensors file"),
        "nothing.safetensors": (b"", "not a whole safetensors file"),
        "text.safetensors": (b"hello, this is no weight file at all", "not a whole safetensors file"),
        "pickled.safetensors": (b"\x80\x04K\x01.", "is a pickle, which can run code"),
    }
    for name, (content, says) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} .*{says}"):
            read(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "torch.pt", "w") as file:
        file.writestr("archive/data.pkl", b"x")
    with pytest.raises(ValueError, match="torch.pt is a pickle"):
        read(tmp_path / "torch.pt")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(ValueError, match="empty.safetensors holds no tensors"):
        read(tmp_path / "empty.safetensors")
    save_file(pair(KEY, HIDDEN, HIDDEN), tmp_path / "new.safetensors", {"musar_format": "2"})
    with pytest.raises(ValueError, match="new.safetensors is a MUSAR file of format 2"):
        read(tmp_path / "new.safetensors")
