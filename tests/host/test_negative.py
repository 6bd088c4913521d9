"""The negative of MUSAR Conditioning: the same references, words that name nobody, and nobody owns a part."""

import pytest
import torch

from .test_preview import record  # noqa: F401
from .test_routes import compare  # noqa: F401

PROMPT = "a dog, a robot and a tall house on the beach"
PHRASES = ("dog", "robot", "house")
WORDS = "blurry, ugly"


@pytest.fixture
def both(condition):
    """both(…): the positive and the negative of one node."""

    def make(*phrases, **options):
        given = {"prompts": ("a dog", "", "a house"), "negative_prompt": WORDS, **options}
        return [condition(PROMPT, *phrases, output=k, **given) for k in (0, 1)]

    return make


@pytest.fixture
def seen(pack, monkeypatch):
    """seen: (is it the negative's?, the layout, owners) of each routed attention."""
    module, kept = pack("nodes.host.routed_call"), []
    original = module.routed_attention

    def keep(q, k, v, layout, owner, *args):
        each = torch.full((len(q), layout.target_length), owner) if isinstance(owner, int) else owner
        kept.append((not layout.subjects[0].phrase, layout, each))
        return original(q, k, v, layout, owner, *args)

    monkeypatch.setattr(module, "routed_attention", keep)
    return kept


def test_its_words_and_references(both, condition):
    positive, negative = both(*PHRASES[:2])
    plain = condition(WORDS)
    assert torch.equal(negative[0][0], plain[0][0])
    for a, b in zip(positive[0][1]["reference_latents"], negative[0][1]["reference_latents"]):
        assert torch.equal(a, b)
    plans = [c[0][1]["model_conds"]["musar"].cond for c in (positive, negative)]
    assert [p.negative for p in plans] == [False, True]
    assert [s.phrase for s in plans[1].subjects] == [(), ()]
    assert [s.text is None for s in plans[1].subjects] == [False, True]


def test_without_subjects_it_is_the_words_alone(condition):
    negative, plain = condition(PROMPT, output=1, negative_prompt=WORDS), condition(WORDS)
    assert torch.equal(negative[0][0], plain[0][0]) and negative[0][1].keys() == plain[0][1].keys()


def test_without_routing_it_is_the_hosts_own(flux, sample, condition, call, both):
    positive, negative = both(*PHRASES[:2])
    stock = condition(WORDS)
    for latent in negative[0][1]["reference_latents"]:
        stock = call("ReferenceLatent", conditioning=stock, latent={"samples": latent})[0]
    assert torch.equal(sample(flux, positive, negative, cfg=3.0), sample(flux, positive, stock, cfg=3.0))


@pytest.mark.parametrize("static", (True, False))
def test_split_equals_dense(flux, route, both, compare, static):  # noqa: F811
    difference, _ = compare(route(flux, static=static), *both(*PHRASES), batch=2, cfg=3.0)
    assert difference <= 1e-5


def test_its_parts_belong_to_nobody(flux, route, sample, both, seen):
    sample(route(flux), *both(*PHRASES), cfg=3.0, batch=2, steps=3)
    negative = [owner for is_negative, _, owner in seen if is_negative]
    assert len(negative) == 5 * 3 and len(seen) == 2 * len(negative)
    assert all(owner.shape[0] == 2 and (owner == -1).all() for owner in negative)
    assert any((owner >= 0).any() for is_negative, _, owner in seen if not is_negative)


def test_alone_it_belongs_to_nobody_too(flux, route, sample, both, seen):
    """As it would be where a sampler asks for the negative first."""
    _, negative = both(*PHRASES[:2])
    sample(route(flux), negative)
    assert seen and all(is_negative and (owner == -1).all() for is_negative, _, owner in seen)


@pytest.mark.parametrize("batch", (1, 2))
def test_a_zeroed_one_in_the_same_call_is_not_recorded(
    flux,
    condition,
    route,
    sample,
    call,
    record,  # noqa: F811
    batch,
):
    positive = condition(PROMPT, *PHRASES[:2])
    (zeroed,), model, found = call("ConditioningZeroOut", conditioning=positive), route(flux), []
    for cfg in (1.0, 1.0 + 1e-6):  # the second asks for both, in one call
        sample(model, positive, zeroed, cfg=cfg, batch=batch)
        found.append(next(iter(record(model).steps.values())).owned)
    assert found[0].any() and torch.equal(*found)


def test_dynamic_off_gives_nobody_anything(flux, route, sample, both, seen):
    sample(route(flux, dynamic=False), *both(*PHRASES), cfg=3.0)
    assert all(owner is None for *_, owner in seen)


def test_it_makes_a_difference(flux, route, sample, both, condition):
    """By way of the prompt, which sees the references where static routing is off."""
    positive, negative = both(*PHRASES[:2])
    model = route(flux, static=False)
    with_references = sample(model, positive, negative, cfg=3.0)
    assert torch.isfinite(with_references).all()
    assert not torch.equal(with_references, sample(model, positive, condition(WORDS), cfg=3.0))
    assert torch.equal(with_references, sample(model, positive, negative, cfg=3.0))


def test_with_static_routing_it_is_its_words(flux, route, sample, both, condition):
    """Nothing that the picture sees has seen a reference then."""
    positive, negative = both(*PHRASES[:2])
    model = route(flux)
    words = sample(model, positive, condition(WORDS), cfg=3.0)
    torch.testing.assert_close(sample(model, positive, negative, cfg=3.0), words, rtol=0, atol=1e-5)


@pytest.mark.parametrize("zeroed", (False, True))
def test_anothers_area_is_no_area_of_its_boxes(flux, route, sample, condition, both, call, zeroed):
    """The host gives the negative the area of every conditioning that it stands against."""
    box = [{"x": 0, "y": 0, "width": 40, "height": 80}]
    canvas = {"canvas_width": 80, "canvas_height": 96}
    positive, negative = both(*PHRASES[:2], boxes=box, **canvas)
    if zeroed:
        (negative,) = call("ConditioningZeroOut", conditioning=positive)
    area = {"width": 32, "height": 48, "x": 48, "y": 48, "strength": 1.0}
    (plain,) = call("ConditioningSetArea", conditioning=condition("a tree"), **area)
    (together,) = call("ConditioningCombine", conditioning_1=positive, conditioning_2=plain)
    assert torch.isfinite(sample(route(flux), together, negative, cfg=3.0)).all()
