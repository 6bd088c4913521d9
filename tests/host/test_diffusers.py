"""The network that the trainer trains and the one that the host runs are the same function."""

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file

import training.network.routing
from tools.tiny import POOLED, WIDTH, randomise
from training.network.batch import pack
from training.network.dense import Dense
from training.network.dual_lora import DualLora, metadata
from training.network.routing import Router, Routes
from training.network.sequence import Condition, join
from training.run.sampler import sigmas

SIZE = (96, 80)
TARGET = (SIZE[0] // 16, SIZE[1] // 16)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def trained():
    """diffusers' FLUX with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flux = FluxTransformer2DModel(
            in_channels=64,
            num_layers=2,
            num_single_layers=4,
            attention_head_dim=128,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=POOLED,
            guidance_embeds=True,
        )
    weights = randomise(flux, seed=3)
    for name in weights:
        if name.endswith(("norm.linear.weight", "norm1.linear.weight", "norm1_context.linear.weight")):
            weights[name] *= 0.5
    flux.load_state_dict(weights)
    return flux.eval()


@pytest.fixture(scope="module")
def hosted(trained, call, files):
    """The same weights, in diffusers' format, through the stock loader."""
    save_file(trained.state_dict(), files.diffusion_models / "from_diffusers.safetensors")
    return call("UNETLoader", unet_name="from_diffusers.safetensors", weight_dtype="default")[0]


@pytest.fixture
def host_velocity(sample):
    """host_velocity(model, positive, start): (x, v) of one stock KSampler step from sigma `start`."""
    import comfy.sample

    def run(model, positive, start):
        g = torch.Generator().manual_seed(1)
        latent = {"samples": 2 * torch.randn(1, 16, SIZE[0] // 8, SIZE[1] // 8, generator=g)}
        inside = model.model.process_latent_in
        # one step to sigma 0: denoised = x − sigma·v, which is what comes out
        out = inside(sample(model, positive, latent=latent, steps=1, denoise=start, seed=7))
        noise = comfy.sample.prepare_noise(latent["samples"], 7)
        sigma = float(sigmas(int(1 / start))[int(1 / start) - 1]) if start < 1 else 1.0
        x = sigma * noise + (1 - sigma) * inside(latent["samples"])
        return x, sigma, (x - out) / sigma

    return run


@pytest.fixture
def trainer_velocity(trained, hosted, new_lora):
    """trainer_velocity(positive, x, sigma, …): diffusers' on what the conditioning holds."""

    def run(positive, x, sigma, static=True, dynamic=True, dense=False, lora=None, owners_by="phrase"):
        (context, values), *_ = positive
        plan = values["model_conds"]["musar"].cond if "model_conds" in values else None
        subjects = plan.subjects if plan else ()
        inside = hosted.model.process_latent_in
        conditions = [
            Condition(pack(inside(latent)), s.views[0], s.text, s.phrase)
            for latent, s in zip(values.get("reference_latents", ()), subjects)
        ]
        joint = join(context, TARGET, conditions)
        router = Router(trained)
        masked = Dense.of(joint.layout, static, dynamic) if dense else None
        routes = Routes(joint.layout, static, dynamic, dense=masked, owners_by=owners_by)
        router.routes = routes
        for gated in new_lora.made:
            gated.layout = joint.layout if gated is lora else None
        v = trained(
            hidden_states=torch.cat([pack(x), joint.conditions], 1),
            encoder_hidden_states=joint.text,
            pooled_projections=values["pooled_output"],
            timestep=torch.tensor([sigma]),
            img_ids=joint.image_ids,
            txt_ids=joint.text_ids,
            guidance=torch.tensor([values["guidance"]]),
            return_dict=False,
        )[0]
        return v[:, : joint.layout.target_length]

    return run


def error(host, trainer):
    return float((pack(host) - trainer).abs().max() / trainer.abs().max())


@pytest.mark.parametrize("start", [1.0, 0.5, 0.25])
def test_same_velocity_from_words_alone(hosted, condition, host_velocity, trainer_velocity, start):
    positive = condition("a dog and a robot")
    x, sigma, v = host_velocity(hosted, positive, start)
    assert error(v, trainer_velocity(positive, x, sigma)) < TOLERANCE


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("prompts", [(), ("a dog", "a red robot")])
def test_same_velocity_with_references(
    hosted, condition, route, host_velocity, trainer_velocity, static, prompts
):
    positive = condition("a dog and a robot", "dog", "robot", prompts=prompts, sizes=[(64, 64), (64, 32)])
    x, sigma, v = host_velocity(route(hosted, static, False), positive, 1.0)
    assert error(v, trainer_velocity(positive, x, sigma, static, dynamic=False)) < TOLERANCE


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("static", [True, False])
def test_same_velocity_along_the_same_owners(
    hosted, condition, route, host_velocity, trainer_velocity, owners, monkeypatch, static, dense
):
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a red robot"))
    x, sigma, v = host_velocity(route(hosted, static, True), positive, 1.0)
    left = iter(owners.seen)
    monkeypatch.setattr(training.network.routing, "assign", lambda affinity: next(left))
    assert error(v, trainer_velocity(positive, x, sigma, static, dense=dense)) < TOLERANCE
    assert next(left, None) is None


@pytest.mark.parametrize("owners_by", ["phrase", "reference"])
def test_both_give_the_same_owners(
    hosted, condition, route, host_velocity, trainer_velocity, owners, monkeypatch, capsys, owners_by
):
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a red robot"))
    x, sigma, _ = host_velocity(route(hosted, owners_by=owners_by), positive, 1.0)
    own, original = [], training.network.routing.assign
    monkeypatch.setattr(training.network.routing, "assign", lambda s: own.append(original(s)) or own[-1])
    trainer_velocity(positive, x, sigma, owners_by=owners_by)
    disagree = torch.cat(own).ne(torch.cat(owners.seen)).float().mean()
    with capsys.disabled():
        print(f"\nowners that differ between host and trainer, both free: {disagree:.2%}")
    assert len(torch.cat(own).unique()) > 1
    assert disagree <= 0.001


@pytest.fixture
def new_lora(trained):
    """new_lora(ranks): factors that do change something; gone from the network afterwards."""

    def make(ranks):
        lora = DualLora(trained, ranks)
        g = torch.Generator().manual_seed(5)
        for pair in lora.factors.values():
            pair.up.weight.copy_(0.05 * torch.randn(pair.up.weight.shape, generator=g))
        make.made.append(lora)
        return lora

    make.made = []
    yield make
    for layer in trained.modules():
        layer._forward_hooks.clear()


def test_the_trainers_lora_is_the_nodes(
    hosted, condition, route, host_velocity, trainer_velocity, owners, monkeypatch, new_lora, files, call
):
    trained_lora = new_lora({"subject": 16, "noise": 4})
    save_file(
        trained_lora.exported(), files.loras / "trained.safetensors", metadata(trained_lora.ranks, "tiny", 1)
    )
    model = call(
        "MusarDualLora",
        model=route(hosted),
        subject_lora="trained.safetensors",
        noise_lora="none",
        subject_strength=1.0,
        noise_strength=1.0,
    )[0]
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a red robot"))
    x, sigma, v = host_velocity(model, positive, 1.0)
    left = iter(owners.seen)
    monkeypatch.setattr(training.network.routing, "assign", lambda affinity: next(left))
    assert error(v, trainer_velocity(positive, x, sigma, lora=trained_lora)) < TOLERANCE
    left = iter(owners.seen)
    assert error(v, trainer_velocity(positive, x, sigma)) > 100 * TOLERANCE, "the LoRA changed nothing"


def test_one_lora_for_all_tokens_is_the_hosts_load_lora(
    hosted, condition, route, host_velocity, trainer_velocity, new_lora, files, call
):
    trained_lora = new_lora({"all": 8})
    save_file(trained_lora.exported(), files.loras / "all.safetensors")
    model = call(
        "LoraLoaderModelOnly",
        model=route(hosted, False, False),
        lora_name="all.safetensors",
        strength_model=1.0,
    )[0]
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a red robot"))
    x, sigma, v = host_velocity(model, positive, 1.0)
    ours = trainer_velocity(positive, x, sigma, static=False, dynamic=False, lora=trained_lora)
    assert error(v, ours) < TOLERANCE


def test_a_new_lora_changes_nothing(trained, condition, trainer_velocity, new_lora):
    positive = condition("a dog and a robot", "dog", "robot", prompts=("a dog", "a red robot"))
    x = torch.randn(1, 16, SIZE[0] // 8, SIZE[1] // 8, generator=torch.Generator().manual_seed(0))
    before = trainer_velocity(positive, x, 0.7)
    lora = new_lora({"subject": 16, "noise": 4})
    for pair in lora.factors.values():
        pair.up.weight.zero_()
    assert torch.equal(trainer_velocity(positive, x, 0.7, lora=lora), before)
