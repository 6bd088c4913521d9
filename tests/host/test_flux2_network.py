"""FLUX.2: the network that the trainer trains is the one that ComfyUI runs, and its LoRA is read there."""

import pytest
import torch
from diffusers import Flux2Transformer2DModel
from safetensors.torch import save_file

from tools.tiny import randomise
from training.export import export
from training.network.batch import Batch, pack, unpack
from training.network.dual_lora import metadata
from training.network.model import Trained, Variant, Wiring
from training.network.sequence import Condition

TOLERANCE = 1e-4
WIDTH, ROWS, COLUMNS = 96, 6, 5
DOUBLE = {
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "ff.linear_in": "img_mlp.0",
    "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0",
    "ff_context.linear_out": "txt_mlp.2",
}
SINGLE = {
    "attn.to_qkv_mlp_proj": "linear1",
    "attn.to_out": "linear2",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
}
REST = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
    "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
    "single_stream_modulation.linear": "single_stream_modulation.lin",
    "proj_out": "final_layer.linear",
}


def as_host(state, depth, singles):
    """diffusers' names -> those of the published files."""
    out = {f"{new}.weight": state[f"{old}.weight"] for old, new in REST.items()}
    shift, scale = state["norm_out.linear.weight"].chunk(2)
    out["final_layer.adaLN_modulation.1.weight"] = torch.cat([scale, shift])
    for i in range(depth):
        start, new = f"transformer_blocks.{i}", f"double_blocks.{i}"
        out |= {f"{new}.{b}.weight": state[f"{start}.{a}.weight"] for a, b in DOUBLE.items()}
        for stream, names in (("img", "to_{}"), ("txt", "add_{}_proj")):
            parts = [state[f"{start}.attn.{names.format(n)}.weight"] for n in "qkv"]
            out[f"{new}.{stream}_attn.qkv.weight"] = torch.cat(parts)
    for i in range(singles):
        start, new = f"single_transformer_blocks.{i}", f"single_blocks.{i}"
        out |= {f"{new}.{b}.weight": state[f"{start}.{a}.weight"] for a, b in SINGLE.items()}
    return {n: t.contiguous() for n, t in out.items()}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flux = Flux2Transformer2DModel(
            num_layers=1,
            num_single_layers=2,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            guidance_embeds=False,
        )
    flux.load_state_dict(randomise(flux, seed=3))
    return flux.eval()


@pytest.fixture(scope="module")
def hosted(network, call, files):
    save_file(as_host(network.state_dict(), 1, 2), files.diffusion_models / "flux2.safetensors")
    return call("UNETLoader", unet_name="flux2.safetensors", weight_dtype="default")[0]


@pytest.fixture(scope="module")
def spoken():
    """T of 512 tokens, and two references."""
    g = torch.Generator().manual_seed(1)
    text = torch.randn(1, 512, WIDTH, generator=g)
    return text, [torch.randn(1, 128, *size, generator=g) for size in ((4, 3), (3, 4))]


@pytest.fixture
def host_velocity(call, spoken):
    """From noise: one stock step to sigma 0 is x − v."""
    import comfy.sample

    def run(model, references):
        text = spoken[0]
        values = {"pooled_output": None}  # as klein's encoder leaves it
        positive = [[text, values | ({"reference_latents": references} if references else {})]]
        latent = torch.zeros(1, 128, ROWS, COLUMNS)
        out = call(
            "KSampler",
            model=model,
            seed=7,
            steps=1,
            cfg=1.0,
            sampler_name="euler",
            scheduler="simple",
            positive=positive,
            negative=positive,
            latent_image={"samples": latent},
            denoise=1.0,
        )[0]["samples"]
        x = comfy.sample.prepare_noise(latent, 7)
        return x, x - model.model.process_latent_in(out)

    return run


def trainers(network, spoken, references, x, ranks=None, change=lambda lora: None):
    """Without routing; the references' hooks are taken off again."""
    model = Trained(
        network, Variant(static=False, dynamic=False, ranks=ranks or {"subject": 1}), Wiring("index")
    )
    change(model.lora)
    conditions = tuple(Condition(pack(r), tuple(r.shape[-2:]), None, ()) for r in references)
    batch = Batch(pack(x), (ROWS, COLUMNS), spoken[0], torch.zeros(1, 0), conditions, None)
    velocity = model(batch, pack(x), torch.ones(1))
    for layer in network.modules():
        layer._forward_hooks.clear()
        layer._forward_pre_hooks.clear()
    return unpack(velocity, ROWS), model.lora


def error(host, trainer):
    return float((host - trainer).abs().max() / trainer.abs().max())


@pytest.mark.parametrize("count", (0, 1, 2))
def test_the_same_velocity(network, hosted, spoken, host_velocity, count):
    references = spoken[1][:count]
    x, velocity = host_velocity(hosted, [hosted.model.process_latent_out(r) for r in references])
    ours, _ = trainers(network, spoken, references, x)
    assert error(velocity, ours) < TOLERANCE
    if count:
        assert error(velocity, trainers(network, spoken, [], x)[0]) > 10 * TOLERANCE


def factors(lora):
    g = torch.Generator().manual_seed(5)
    for pair in lora.factors.values():
        pair.up.weight.copy_(0.05 * torch.randn(pair.up.weight.shape, generator=g))


def test_one_lora_for_all_tokens_is_the_hosts(network, hosted, spoken, host_velocity, files, call):
    x, plain = host_velocity(hosted, [])
    ours, lora = trainers(network, spoken, [], x, {"all": 4}, factors)
    save_file(lora.exported(), files.loras / "flux2_all.safetensors")
    model = call("LoraLoaderModelOnly", model=hosted, lora_name="flux2_all.safetensors", strength_model=1.0)[
        0
    ]
    _, velocity = host_velocity(model, [])
    assert error(velocity, ours) < TOLERANCE < error(plain, ours) / 100


def test_the_stock_loader_reads_both_branches(network, hosted, spoken, files, call, caplog):
    _, lora = trainers(network, spoken, [], torch.zeros(1, 128, ROWS, COLUMNS), {"subject": 4, "noise": 2})
    save_file(lora.exported(), files.loras / "flux2.safetensors", metadata(lora.ranks, "tiny", 1))
    for file in export(files.loras / "flux2.safetensors", files.loras):
        model = call("LoraLoaderModelOnly", model=hosted, lora_name=file.name, strength_model=1.0)[0]
        assert "lora key not loaded" not in caplog.text and len(model.patches) >= 8


def test_a_batch_of_its_latents_is_collated(spoken):
    assert pack(spoken[1][0]).shape == (1, 12, 128)
    assert torch.equal(unpack(pack(spoken[1][0]), 4), spoken[1][0])
