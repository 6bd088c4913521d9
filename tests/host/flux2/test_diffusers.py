"""The host's FLUX.2 with routing and diffusers' under a dense mask are the same function."""

import diffusers.models.transformers.transformer_flux2 as theirs
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from musar_attention import routing_mask
from tools.tiny import randomise
from tools.tiny_flux2 import WORDS
from training.network.base import load_base
from training.network.flux2_names import hosts_names

PROMPT = "a dog and a robot on the beach"
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=(False, True), ids=("klein", "dev"))
def both(request, call, files):
    """diffusers' network with random weights, and the same weights through the stock loader."""
    from comfy.utils import flux_to_diffusers

    net = theirs.Flux2Transformer2DModel(
        num_layers=2,
        num_single_layers=3,
        num_attention_heads=2,
        joint_attention_dim=WORDS,
        guidance_embeds=request.param,
    )
    net.load_state_dict(randomise(net, seed=3))
    state = {}
    names = flux_to_diffusers({"depth": 2, "depth_single_blocks": 3, "hidden_size": 256})
    for name, weight in net.state_dict().items():
        name = name.replace("time_guidance_embed", "time_text_embed")  # as FLUX.1 has it
        if "modulation" in name:
            state[name.replace(".linear.", ".lin.")] = weight
            continue
        place, *part = names[name] if isinstance(names[name], tuple) else (names[name],)
        if len(part) == 2:
            weight = part[1](weight)
        state.setdefault(place, []).append((part[0][1] if len(part) == 1 else 0, weight))
    for place, parts in state.items():
        if isinstance(parts, list):
            state[place] = torch.cat([weight for _, weight in sorted(parts, key=lambda p: p[0])])
    name = f"from_diffusers_flux2_{request.param}.safetensors"
    save_file(state, files.diffusion_models / name)
    own = hosts_names(net.state_dict())
    hosts = {n.replace("_norm.weight", "_norm.scale"): t for n, t in state.items()}  # newer hosts' word
    assert own.keys() == hosts.keys() and all(torch.equal(own[n], hosts[n]) for n in own)
    return net.eval(), call("UNETLoader", unet_name=name, weight_dtype="default")[0]


@pytest.fixture
def host(sample):
    """host(model, positive): what the network was given, and what it said."""
    from comfy.patcher_extension import WrappersMP

    def run(model, positive, **options):
        kept, watched = [], model.clone()

        def keep(executor, x, timestep, context, y, guidance, references, *args, **kwargs):
            given = [t.clone() for t in (x, timestep, context, guidance)]
            kept.append((*given, references, executor(x, timestep, context, y, guidance, references, *args)))
            return kept[-1][-1]

        watched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "keep", keep)
        sample(watched, positive, steps=2, **options)
        return kept[-1]

    return run


def grid(rows, columns, plane):
    ids = torch.zeros(rows, columns, 4)
    ids[..., 0], ids[..., 1], ids[..., 2] = plane, torch.arange(rows)[:, None], torch.arange(columns)
    return ids.flatten(0, 1)


def packed(latent):
    return latent.flatten(2).transpose(1, 2)


def diffusers_says(net, given, masks, monkeypatch):
    """Under a mask a layer, where there are any."""
    x, timestep, context, guidance, references, _ = given
    left = iter(masks)

    def attention(query, key, value, attn_mask=None, **options):
        bias = None if not masks else torch.zeros(1).masked_fill(~next(left)[:, None], float("-inf"))
        out = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (query, key, value)), bias)
        return out.transpose(1, 2)

    monkeypatch.setattr(theirs, "dispatch_attention_fn", attention)
    words = torch.zeros(context.shape[1], 4)
    words[:, 3] = torch.arange(context.shape[1])
    images = [x, *(r for r in references or ())]
    ids = [grid(*latent.shape[-2:], 10 * k) for k, latent in enumerate(images)]
    out = net(
        hidden_states=torch.cat([packed(latent) for latent in images], 1),
        encoder_hidden_states=context,
        timestep=timestep,
        img_ids=torch.cat(ids),
        txt_ids=words,
        guidance=guidance if net.config.guidance_embeds else None,
        return_dict=False,
    )[0]
    assert next(left, None) is None
    return out[:, : ids[0].shape[0]]


def difference(host, other):
    return float((packed(host) - other).abs().max() / other.abs().max())


def test_the_trainer_reads_the_file(both, files):
    """One safetensors file in ComfyUI's names gives the network that was saved."""
    net, _ = both
    (file,) = files.diffusion_models.glob(f"from_diffusers_flux2_{net.config.guidance_embeds}.safetensors")
    read = load_base(file)
    assert read.config.guidance_embeds == net.config.guidance_embeds
    state = net.state_dict()
    assert read.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in read.state_dict().items())


def test_from_words_alone(both, host, condition, monkeypatch):
    net, model = both
    given = host(model, condition(PROMPT))
    assert difference(given[-1], diffusers_says(net, given, [], monkeypatch)) <= TOLERANCE


@pytest.mark.parametrize(
    "static, owners_by",
    ((True, "phrase"), (False, "phrase"), (True, "reference"), (False, "reference"), (False, "attention")),
)
@pytest.mark.parametrize("prompts", ((), ("a dog", "a red robot")))
def test_routed(both, host, condition, route, owners, pack, monkeypatch, static, owners_by, prompts):
    """The host's split calls and diffusers' dense mask, along the same owners."""
    net, model = both
    layouts, module = [], pack("nodes.host.wrapper")
    original = module.lay_out
    monkeypatch.setattr(module, "lay_out", lambda *args: layouts.append(original(*args)) or layouts[-1])
    positive = condition(
        PROMPT, "dog", "robot", prompts=prompts, sizes=[(64, 64), (64, 32)], positions="index"
    )
    given = host(route(model, static=static, owners_by=owners_by), positive)
    masks = [routing_mask(layouts[-1], owner, static) for owner in owners.seen[-5:]]
    assert difference(given[-1], diffusers_says(net, given, masks, monkeypatch)) <= TOLERANCE
    assert difference(given[-1], diffusers_says(net, given, [], monkeypatch)) > 10 * TOLERANCE, (
        "nothing was routed"
    )
