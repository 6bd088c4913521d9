"""A base in 8 or 4 bits draws nearly the same velocities, and a LoRA learns nearly the same from it."""

import sys
import weakref
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from diffusers import Flux2Transformer2DModel, FluxTransformer2DModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from studies.full_size.examples import encoded
from tools.comfy_server import ROOT
from training.config import check_config, read_config
from training.estimate import Case
from training.network.batch import collate
from training.network.model import Trained, Variant, Wiring, flow_errors
from training.network.quantised import KINDS, Quantised, held, layers, quantise, same_everywhere, whole
from training.train import LORA, train

CPU = torch.device("cpu")
SMALL = {"num_layers": 2, "num_single_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 64}
CASE = Case("two references", (64, 128), ((64, 64), (64, 64)), text=24)
CLOSE = {"int8": (0.002, 0.995), "nf4": (0.02, 0.97)}  # velocity's relative error; gradients' least cosine


def network(name, **more):
    torch.manual_seed(0)
    if name == "flux":
        return FluxTransformer2DModel(guidance_embeds=True, pooled_projection_dim=32, **SMALL | more)
    return Flux2Transformer2DModel(guidance_embeds=False, **SMALL | more)


def model_of(name, kind):
    """With a LoRA that has learned something, the same each time."""
    base = network(name)
    if kind:
        quantise(base, kind, CPU)
    torch.manual_seed(1)
    model = Trained(base, Variant(ranks={"subject": 8, "noise": 2}), Wiring())
    for factor, value in model.lora.named_parameters():
        if "up" in factor:
            torch.nn.init.normal_(value, std=0.02)
    return model


def learned(model):
    """Velocity, and the gradient of every factor that has one."""
    batch = collate([encoded(model.flux, CASE)])
    noise = torch.randn(batch.latent.shape, generator=torch.Generator().manual_seed(2))
    time = torch.tensor([0.6])
    with torch.no_grad():
        velocity = model(batch, noise, time)
    flow_errors(model, batch, noise, time).mean().backward()
    return velocity, {n: p.grad for n, p in model.lora.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["flux", "klein"])
@pytest.mark.parametrize("kind", KINDS)
def test_velocity_and_gradients_stay(name, kind):
    (v, g), (v_few, g_few) = learned(model_of(name, None)), learned(model_of(name, kind))
    error, cosine = CLOSE[kind]
    assert 0 < (v_few - v).norm() / v.norm() < error
    assert g.keys() == g_few.keys() and len(g) > 80
    both = [torch.cat([gradients[n].flatten() for n in g]) for gradients in (g, g_few)]
    assert cosine < F.cosine_similarity(*both, 0) < 1


@pytest.mark.parametrize("name", ["flux", "klein"])
def test_blocks_that_run_again_learn_the_same(name):
    kept, again = (model_of(name, "nf4") for _ in range(2))
    again.flux.enable_gradient_checkpointing()
    (v, g), (v_again, g_again) = learned(kept), learned(again.train())
    assert torch.equal(v, v_again) and all(torch.equal(g[n], g_again[n]) for n in g)


@pytest.mark.parametrize("name", ["flux", "klein"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_fall_layer_by_layer_to_what_the_estimate_counts(name, kind, monkeypatch):
    base = network(name, num_attention_heads=4).to(torch.bfloat16)
    was, expected = sum(p.nbytes for p in base.parameters()), held(base, kind)
    assert was == held(base, None)
    old = [weakref.ref(layer.weight) for _, layer in layers(base)]
    alive, put = [], base.set_submodule

    def watched(name, layer):
        put(name, layer)
        alive.append(sum(weight() is not None for weight in old))

    monkeypatch.setattr(base, "set_submodule", watched, raising=False)
    quantise(base, kind, CPU)
    assert alive == list(range(len(old), 0, -1)), "one whole weight after the other is gone"
    few = {n for n, p in base.named_parameters() if type(p) is not torch.nn.Parameter}
    assert few == {f"{n}.weight" for n, layer in layers(base) if isinstance(layer, Quantised)}
    assert not any("embed" in n or n.startswith("proj_out") for n in few)
    now = sum(map(bytes_of, base.parameters()))
    assert abs(now - expected) < 0.02 * was
    assert now < {"int8": 0.62, "nf4": 0.48}[kind] * was, "small networks are embedders for a good part"


def bytes_of(value):
    inner = value.__tensor_flatten__()[0] if hasattr(value, "__tensor_flatten__") else ()
    return sum(getattr(value, n).nbytes for n in inner) or value.nbytes


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_made_whole_in_what_the_estimate_counts(kind):
    base = network("klein", num_layers=1, num_single_layers=1).to(torch.bfloat16)
    quantise(base, kind, CPU)
    weight = base.single_transformer_blocks[0].attn.to_qkv_mlp_proj.weight
    with torch.profiler.profile(profile_memory=True, acc_events=True) as profile:
        whole(weight, torch.bfloat16)
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    assert 0.8 < most / weight.numel() / KINDS[kind].making <= 1.01


@pytest.mark.parametrize("kind", KINDS)
def test_it_moves_and_is_not_sent_between_processes(kind):
    model = model_of("flux", kind)
    same_everywhere(model)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        both = DistributedDataParallel(model, find_unused_parameters=True)
        velocity, gradients = learned(model)
        assert velocity.isfinite().all() and gradients
        ignored = both.parameters_to_ignore
        assert ignored == {n for n, p in model.named_parameters() if type(p) is not torch.nn.Parameter}
    finally:
        dist.destroy_process_group()
    model.to("meta")
    layer = model.flux.transformer_blocks[0].attn.to_q
    assert layer.weight.device.type == "meta" and isinstance(layer, Quantised)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("tiny_config", ["flux", "klein"], indirect=True)
def test_a_killed_run_goes_on_exactly(tiny_config, tmp_path):
    config = tiny_config | {"quantise": "nf4", "checkpointing": True}

    def losses(folder, until=None, **more):
        found = []

        def each_step(trainer, loss):
            found.append(loss)
            if trainer.step == until:
                raise Killed

        train(config | more, tmp_path / folder, each_step)
        return found

    whole_run = losses("whole")
    with pytest.raises(Killed):
        losses("killed", until=3)
    for other in (None, "int8"):
        with pytest.raises(ValueError, match=f"of a run with quantise: nf4, and now quantise is {other}"):
            losses("killed", quantise=other)
    assert losses("killed") == whole_run[2:]
    a, b = (load_file(tmp_path / folder / LORA) for folder in ("whole", "killed"))
    assert a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)
    with safe_open(tmp_path / "whole" / LORA, "pt") as file:
        assert '"quantised": "nf4"' in file.metadata()["musar_trained"]
    fresh = Trained(network_at(config), Variant(**config["variant"]), Wiring())
    fresh.lora.load_exported(a)
    assert any(value.any() for n, value in fresh.lora.exported().items() if "lora_B" in n)


def network_at(config):
    from training.network.base import load_base

    return load_base(Path(config["base"]))


@pytest.mark.parametrize("name", ["shard", "compile"])
def test_what_does_not_work_with_it_is_a_sentence(name):
    config = read_config(ROOT / "training" / "configs" / "flux_dev.yaml", [f"{name}=true"])
    with pytest.raises(ValueError, match=f"quantise is int8 and {name} is true.* Set quantise: null, or"):
        check_config(config | {"quantise": "int8"})
    check_config(config)


def test_an_older_config_may_be_set_to_it(tmp_path):
    text = (ROOT / "training" / "configs" / "flux_dev.yaml").read_text()
    (tmp_path / "old.yaml").write_text("".join(li for li in text.splitlines(True) if "quantise:" not in li))
    check_config(read_config(tmp_path / "old.yaml", []))
    assert read_config(tmp_path / "old.yaml", ["quantise=nf4"])["quantise"] == "nf4"
    with pytest.raises(ValueError, match="the config has no quantize"):
        read_config(tmp_path / "old.yaml", ["quantize=nf4"])


def test_what_a_config_leaves_out_may_be_set():
    file = ROOT / "training" / "configs" / "flux2_klein_4b.yaml"
    config = read_config(file, ["variant.owners_by=reference", "variant.rule=centred", "wiring.places=1"])
    check_config(config)
    sprites = ROOT / "training" / "configs" / "sprites.yaml"
    assert read_config(sprites, ["encoder.ahead=300"])["encoder"]["ahead"] == 300
    assert config["variant"]["owners_by"] == "reference" and config["wiring"]["places"] == 1
    for wrong in (
        "variant.owner=reference",
        "encoder.behind=300",
        "wiring.places.more=1",
        "batch.size=2",
        "pixel.target=512",
    ):
        with pytest.raises(ValueError, match=f"the config has no {wrong.split('=')[0]}"):
            read_config(file, [wrong])


def test_a_missing_package_is_a_sentence_with_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    base = network("klein", num_layers=1, num_single_layers=1)
    with pytest.raises(ValueError, match='is not installed: pip install "torchao>=0.18". Or set quantise'):
        quantise(base, "int8", CPU)
