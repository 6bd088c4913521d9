"""With core's Flux KV Cache: the first step has references, later ones their keys and values alone."""

import gc

import pytest
import torch

PROMPT = "a dog, a robot and a tall house on the beach"
PHRASES = ("dog", "robot", "house")
LATER = 3  # steps


class Kept:
    """Keys and values of the first step for references that still ask: what the cache stands for."""

    def __init__(self):
        self.kept = {}

    def __call__(self, q, k, v, extra_options, **kwargs):
        key = tuple(extra_options[name] for name in ("block_type", "block_index"))
        count = sum(extra_options["reference_image_num_tokens"])
        key += tuple(extra_options["uuids"])
        own = self.kept.setdefault(key, (k[:, :, -count:].clone(), v[:, :, -count:].clone()))
        k, v = (torch.cat([t[:, :, :-count], kept], 2) for t, kept in zip((k, v), own))
        return {"q": q, "k": k, "v": v}


@pytest.fixture
def cached(call):
    return lambda model: call("FluxKVCache", model=model)[0]


@pytest.fixture
def uncached(call):
    """uncached(model): as cached, with every token of the references in every step."""

    def patch(model):
        model = model.clone()
        model.set_model_attn1_patch(Kept())
        model.add_object_patch("diffusion_model.params.default_ref_method", "index_timestep_zero")
        return model

    return patch


@pytest.fixture
def shapes(pack, monkeypatch):
    """shapes: queries and keys of each routed attention."""
    module, seen = pack("nodes.host.routed_call"), []
    original = module.routed_attention

    def keep(q, k, *args):
        seen.append((q.shape[2], k.shape[2]))
        return original(q, k, *args)

    monkeypatch.setattr(module, "routed_attention", keep)
    return seen


@pytest.mark.parametrize(
    "static, dynamic, owners_by",
    (
        (True, True, "phrase"),
        (False, True, "phrase"),
        (False, True, "reference"),
        (False, True, "attention"),
        (True, False, "phrase"),
        (False, False, "phrase"),
    ),
)
def test_cached_is_uncached(
    flux, condition, route, sample, owners, cached, uncached, static, dynamic, owners_by
):
    positive = condition(PROMPT, *PHRASES, prompts=("a dog", "", "a house"), positions="index")
    many = {"evidence": "sharp", "remember": True, "smooth": True} if owners_by == "attention" else {}
    model = route(flux, static=static, dynamic=dynamic, owners_by=owners_by, **many)
    fast = sample(cached(model), positive, steps=LATER)
    owners.replay(list(owners.seen))
    slow = sample(uncached(model), positive, steps=LATER)
    assert (fast - slow).abs().max() <= 1e-5 * max(1, slow.abs().max())
    assert not torch.equal(fast, sample(flux, positive, steps=LATER))


@pytest.mark.parametrize("static", (True, False))
@pytest.mark.parametrize(
    "more",
    ({"strengths": (1, 0.5, 1)}, {"boxes": {"x": 0, "y": 0, "width": 40, "height": 96}, "layout_until": 1}),
)
def test_routed_is_the_dense_mask(
    flux, condition, route, sample, owners, cached, pack, monkeypatch, static, more
):
    positive = condition(PROMPT, *PHRASES, prompts=("a dog", "", "a house"), **more)
    model = cached(route(flux, static=static))
    split = sample(model, positive, steps=LATER, batch=2)
    owners.replay(list(owners.seen))
    core, module = pack("musar_attention"), pack("nodes.host.routed_call")

    def dense(q, k, v, layout, owner, static, attend, mask, strength, silent):
        outs = []
        for given in (owner, torch.full_like(owner, -1)):  # with the subject, and without
            allowed = core.routing_mask(layout, given, static, silent)[:, None, : q.shape[2]]
            outs.append(attend(q, k, v, torch.zeros(1).masked_fill(~allowed, float("-inf"))))
        full = torch.nn.functional.pad(torch.tensor(strength)[owner], (layout.X.start, 0), value=1.0)
        full = torch.nn.functional.pad(full, (0, q.shape[2] - full.shape[1]), value=1.0)
        return torch.lerp(outs[1], outs[0], full[:, None, :, None])

    monkeypatch.setattr(module, "routed_attention", dense)
    assert (sample(model, positive, steps=LATER, batch=2) - split).abs().max() <= 1e-5


def test_references_ask_in_the_first_step_alone(flux, condition, route, sample, cached, shapes, owners):
    """Owners are decided in every layer of every step, whatever is kept."""
    positive = condition(PROMPT, "dog", prompts=("a dog",))
    text = 512 + positive[0][1]["model_conds"]["musar"].cond.subjects[0].text.shape[1]
    sample(cached(route(flux)), positive, size=(96, 80), steps=LATER)
    whole, target = text + 30 + 4, text + 30
    assert shapes == [(whole, whole)] * 5 + [(target, whole)] * 5 * (LATER - 1)
    assert len(owners.seen) == 5 * LATER


def test_before_or_behind_routing(flux, condition, route, sample, cached):
    positive = condition(PROMPT, "dog", "robot")
    drawn = [sample(model, positive) for model in (cached(route(flux)), route(cached(flux)))]
    assert torch.equal(*drawn) and torch.isfinite(drawn[0]).all()


def test_without_subjects_it_is_the_hosts_own(flux, condition, route, sample, cached, call, vae, picture):
    plain = condition(PROMPT)
    latent = {"samples": vae.encode(picture(32, 32, seed=9))}
    native = call("ReferenceLatent", conditioning=plain, latent=latent)[0]
    for words in (plain, native):
        assert torch.equal(
            sample(cached(route(flux)), words, steps=LATER), sample(cached(flux), words, steps=LATER)
        )


def test_native_references_are_kept_with_ours(
    flux, condition, route, sample, owners, cached, uncached, call, vae, picture
):
    latent = {"samples": vae.encode(picture(32, 32, seed=9))}
    positive = condition(PROMPT, "dog", "robot", positions="index")
    positive = call("ReferenceLatent", conditioning=positive, latent=latent)[0]
    fast = sample(cached(route(flux)), positive, steps=LATER)
    owners.replay(list(owners.seen))
    assert (fast - sample(uncached(route(flux)), positive, steps=LATER)).abs().max() <= 1e-5


def test_a_negative_with_references_keeps_its_own(flux, condition, route, sample, owners, cached, uncached):
    """Core's cache alone would hand the positive's to it."""
    given = {"prompts": ("a dog", "", ""), "negative_prompt": "blurry", "positions": "index"}
    positive, negative = (condition(PROMPT, *PHRASES, output=k, **given) for k in (0, 1))
    fast = sample(cached(route(flux)), positive, negative, cfg=3.0, steps=LATER)
    owners.replay(list(owners.seen))
    slow = sample(uncached(route(flux)), positive, negative, cfg=3.0, steps=LATER)
    assert (fast - slow).abs().max() <= 1e-5 * max(1, slow.abs().max())


def test_each_run_begins_anew_and_leaves_nothing(flux, condition, route, sample, cached, pack):
    model = cached(route(flux))
    first, other = condition(PROMPT, "dog", "robot"), condition(PROMPT, "robot", "house", sizes=((32, 64),))
    before = sample(model, first)
    sample(model, other, size=(64, 64))
    assert torch.equal(sample(model, first), before)
    wrapper = model.get_wrappers("diffusion_model", "musar")[-1]
    assert wrapper.kept == {}
    gc.collect()
    patches = model.model_options["transformer_options"]["patches"]["attn1_patch"]
    assert all(not patch.cache for patch in patches)


def test_a_dual_loras_rows(flux, condition, route, sample, owners, cached, uncached, lora):
    """The subject branch acts on references while they ask, the noise branch in every step."""
    g = torch.Generator().manual_seed(5)
    state = {}
    for name, (inputs, outputs) in {
        "double_blocks.1.img_attn.qkv": (256, 768),
        "double_blocks.0.txt_mlp.0": (256, 1536),
        "single_blocks.1.linear1": (256, 2304),
        "single_blocks.2.linear2": (1024, 256),
    }.items():
        for branch in ("subject", "noise"):
            key = f"{branch}.diffusion_model.{name}"
            state[f"{key}.lora_A.weight"] = torch.randn(4, inputs, generator=g) * inputs**-0.5
            state[f"{key}.lora_B.weight"] = torch.randn(outputs, 4, generator=g) * 0.2
    positive = condition(PROMPT, *PHRASES, prompts=("a dog", "", "a house"), positions="index")
    model = lora(route(flux), state)
    fast = sample(cached(model), positive, steps=LATER)
    for other, same in ((uncached(model), True), (cached(route(flux)), False)):
        owners.replay(owners.seen)
        difference = (fast - sample(other, positive, steps=LATER)).abs().max()
        assert same == bool(difference <= 1e-5 * max(1, fast.abs().max()))
