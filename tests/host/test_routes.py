"""In the host: split calls equal the dense −inf mask, with the owners of one run replayed."""

import itertools

import pytest
import torch

PROMPT = "a dog, a robot and a tall house on the beach"
PHRASES = ("dog", "robot", "house")
BACKENDS = ("basic", "sub_quad", "split", "pytorch")


@pytest.fixture
def compare(sample, owners, dense):
    """The largest difference between the velocities of the two ways in one step of the stock
    sampler, over every call that it makes, and the owners that both used."""

    def run(model, *args, **options):
        split = _velocities(sample, model, *args, **options)
        recorded = list(owners.seen)
        owners.replay(recorded)
        dense()
        masked = _velocities(sample, model, *args, **options)
        assert len(split) == len(masked) > 0
        return max((a - b).abs().max() for a, b in zip(split, masked)), recorded

    return run


def _velocities(sample, model, *args, **options):
    from comfy.patcher_extension import WrappersMP

    kept, watched = [], model.clone()

    def keep(executor, *args, **kwargs):
        kept.append(executor(*args, **kwargs))
        return kept[-1]

    watched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "keep", keep)
    sample(watched, *args, steps=1, **options)
    return kept


@pytest.mark.parametrize("static, dynamic", list(itertools.product((True, False), repeat=2)))
@pytest.mark.parametrize("count", (1, 2, 3))
def test_split_equals_dense(flux, route, condition, compare, static, dynamic, count):
    subjects = condition(
        PROMPT, *PHRASES[:count], sizes=((64, 64), (32, 64), (64, 48)), prompts=("a dog", "", "a house")
    )
    difference, seen = compare(route(flux, static=static, dynamic=dynamic), subjects)
    assert difference <= 1e-5
    assert bool(seen) == dynamic


@pytest.mark.parametrize("static", (True, False))
def test_boxes_that_place(flux, route, condition, compare, sample, owners, static):
    boxes = [[{"x": 0, "y": 0, "width": 40, "height": 96}, {"x": 32, "y": 0, "width": 48, "height": 40}]]
    subjects = condition(PROMPT, *PHRASES, boxes=boxes, layout_until=1.0)
    free = condition(PROMPT, *PHRASES, boxes=boxes)
    assert not torch.equal(*(sample(route(flux, static=static), c, steps=1) for c in (subjects, free)))
    owners.seen.clear()
    difference, seen = compare(route(flux, static=static), subjects, batch=2)
    assert difference <= 1e-5
    assert {k for owner in seen for k in owner.unique().tolist()} >= {0, 1}


def test_owners_of_their_own_for_each_sample(flux, route, condition, compare):
    difference, seen = compare(route(flux), condition(PROMPT, *PHRASES), batch=2)
    assert difference <= 1e-5
    assert all(owner.shape[0] == 2 for owner in seen)
    assert any(not torch.equal(*owner) for owner in seen)
    assert {k for owner in seen for k in owner.unique().tolist()} == {0, 1, 2}


def test_guided_by_a_negative_prompt(flux, route, condition, compare):
    difference, seen = compare(
        route(flux), condition(PROMPT, *PHRASES), condition("blurry, ugly"), batch=2, cfg=3.0
    )
    assert difference <= 1e-5
    assert all(owner.shape[0] == 2 for owner in seen)  # the negative has no plan and no owners


@pytest.mark.parametrize("positions", ("diagonal", "column", "index", "offset"))
def test_native_references_are_extra(flux, route, condition, compare, call, picture, vae, positions):
    latent = {"samples": vae.encode(picture(48, 64, seed=9))}
    subjects = condition(PROMPT, *PHRASES[:2], positions=positions)
    more = call("ReferenceLatent", conditioning=subjects, latent=latent)[0]
    difference, _ = compare(route(flux), more)
    assert difference <= 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_of_the_host(flux, route, condition, compare, monkeypatch, backend):
    from comfy.ldm.flux import math
    from comfy.ldm.modules import attention

    monkeypatch.setattr(math, "optimized_attention", getattr(attention, f"attention_{backend}"))
    difference, _ = compare(route(flux), condition(PROMPT, *PHRASES), batch=2)
    assert difference <= 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree(flux, route, condition, sample, owners, monkeypatch, backend):
    from comfy.ldm.flux import math
    from comfy.ldm.modules import attention

    model, subjects = route(flux), condition(PROMPT, *PHRASES)
    monkeypatch.setattr(math, "optimized_attention", attention.attention_basic)
    expected = sample(model, subjects)
    owners.replay(list(owners.seen))
    monkeypatch.setattr(math, "optimized_attention", getattr(attention, f"attention_{backend}"))
    assert (sample(model, subjects) - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("kind", ("multiplied", "biased"))
def test_a_mask_of_another_node(flux, route, condition, compare, call, kind):
    """Redux: its tokens go behind the prompt, its mask knows prompt and picture only."""
    subjects = condition(PROMPT, *PHRASES[:2])
    styled = call(
        "StyleModelApply",
        conditioning=subjects,
        style_model=_StyleModel(),
        clip_vision_output=None,
        strength=0.5,
        strength_type="multiply" if kind == "multiplied" else "attn_bias",
    )[0]
    assert ("attention_mask" in styled[0][1]) == (kind == "biased")
    difference, _ = compare(route(flux), styled, batch=2)
    assert difference <= 1e-5


def test_a_mask_changes_the_picture(flux, route, condition, call, sample):
    def styled(strength):
        return call(
            "StyleModelApply",
            conditioning=condition(PROMPT, *PHRASES[:2]),
            style_model=_StyleModel(),
            clip_vision_output=None,
            strength=strength,
            strength_type="attn_bias",
        )[0]

    assert not torch.equal(sample(route(flux), styled(0.2)), sample(route(flux), styled(1.0)))


class _StyleModel:
    """Stands where a Redux model gives its tokens; the mask is made by the host's own node."""

    def get_cond(self, _):
        return torch.randn(1, 5, 64, generator=torch.Generator().manual_seed(5))


def test_halves(load_flux, route, condition, sample, owners):
    """bfloat16 weights route and stay near float32."""
    subjects = condition(PROMPT, *PHRASES)
    full, half = load_flux(), load_flux(dtype=torch.bfloat16)
    expected = sample(route(full), subjects)
    seen = list(owners.seen)
    got = sample(route(half), subjects)
    assert torch.isfinite(got).all()
    assert (got - expected).abs().mean() <= 0.05 * expected.abs().mean()
    assert len(owners.seen) == 2 * len(seen)


def test_steps_above_the_models_first_sigma_are_routed(flux, route, condition, call, pack):
    """A sampler with churn, or a node that multiplies sigmas, begins there."""
    model = route(flux)
    guider = call("BasicGuider", model=model, conditioning=condition("a dog and a robot", "dog", "robot"))[0]
    call(
        "SamplerCustomAdvanced",
        noise=call("RandomNoise", noise_seed=1)[0],
        guider=guider,
        sampler=call("KSamplerSelect", sampler_name="euler")[0],
        sigmas=torch.tensor([1.4, 0.7, 0.0]),
        latent_image={"samples": torch.zeros(1, 16, 12, 10)},
    )
    (part,) = pack("nodes.host.record").records_of(model).now.shown
    assert [round(sigma, 1) for sigma in part.steps] == [1.4, 0.7]
