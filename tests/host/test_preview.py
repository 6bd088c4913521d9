"""MUSAR Routing Preview: what it draws, and that recording changes nothing."""

import re

import pytest
import torch
from comfy_execution.utils import CurrentNodeContext

from .making import guided

PROMPT = "a dog and a robot"


@pytest.fixture
def preview(call):
    return lambda model, samples, **o: call(
        "MusarRoutingPreview", model=model, samples={"samples": samples}, **o
    )


@pytest.fixture
def record(pack):
    """What was kept of the one conditioning."""

    def one(model):
        (part,) = pack("nodes.host.record").records_of(model).now.shown
        return part

    return one


def test_owners_of_every_step_and_layer(flux, condition, route, sample, owners, record):
    model = route(flux)
    sample(model, condition(PROMPT, "dog", "robot"), steps=3)
    steps = record(model).steps
    assert len(steps) == 3 and list(steps) == sorted(steps, reverse=True)
    layers = len(owners.seen) // 3
    for i, step in enumerate(steps.values()):
        seen = torch.stack(owners.seen[i * layers : (i + 1) * layers])
        for k in (0, 1):
            share = (seen == k).float().mean(0)
            assert (step.owned[..., k].float() / 255 - share).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("cfg", [1.0, 3.0])
@pytest.mark.parametrize("batch", [1, 2])
def test_one_record_a_picture_of_the_positive_alone(flux, condition, route, sample, record, cfg, batch):
    model = route(flux)
    positive = condition(PROMPT, "dog", "robot")
    sample(model, positive, condition("a cat", "cat"), cfg=cfg, batch=batch)
    both = record(model)
    assert [s.name for s in both.plan.subjects] == ["dog", "robot"]
    assert all(step.owned.shape[0] == batch for step in both.steps.values())
    sample(model, positive, cfg=1.0, batch=batch)
    first, alone = (next(iter(r.steps.values())) for r in (both, record(model)))
    torch.testing.assert_close(first.affinity, alone.affinity, rtol=0.02, atol=1e-4)


def test_each_run_begins_anew(flux, condition, route, sample, record, pack):
    model = route(flux)
    sample(model, condition(PROMPT, "dog", "robot"), steps=4)
    sample(model, condition(PROMPT, "dog", "robot"), steps=2)
    assert len(record(model).steps) == 2
    sample(model, condition(PROMPT), steps=2)
    assert not pack("nodes.host.record").records_of(model).now.shown


def test_of_a_list_each_item_has_its_own(flux, condition, route, sample, preview):
    """The host runs a sampler for all items of a list, and then what comes behind it for all of them."""
    prompts = (("a dog and a robot", "dog", "robot"), ("a cat and a house", "cat", "house"))
    alone = []
    for prompt in prompts:
        model = route(flux)
        drawn = sample(model, condition(*prompt))
        alone.append((drawn, preview(model, drawn)))
    model, samples = route(flux), []
    for k, prompt in enumerate(prompts):
        with CurrentNodeContext("a prompt", "9", k):
            samples.append(sample(model, condition(*prompt)))
    assert not torch.equal(alone[0][1][3], alone[1][1][3])
    for k in (0, 1, 2):  # a third picture, as the host repeats the last of a shorter list
        with CurrentNodeContext("a prompt", "20", k):
            drawn, wanted = alone[min(k, 1)]
            assert torch.equal(drawn, samples[min(k, 1)])
            assert all(torch.equal(*both) for both in zip(preview(model, drawn), wanted))
    with CurrentNodeContext("another prompt", "9", 0):
        drawn = sample(model, condition(*prompts[1]))
    with CurrentNodeContext("another prompt", "20", 1):
        assert torch.equal(preview(model, drawn)[3], alone[1][1][3]), "the first run's items are gone"


def test_the_map_is_of_the_picture_and_changes_nothing(flux, condition, route, sample, preview):
    model, positive = route(flux), condition(PROMPT, "dog", "robot")
    before = sample(model, positive)
    image = torch.rand(1, 96, 80, 3)
    maps, affinity, *_ = preview(model, before, image=image)
    assert maps.shape[0] == affinity.shape[0] == 1 and maps.shape[-1] == 3
    assert maps.shape[2] >= 400 and 0 <= maps.min() and maps.max() <= 1
    again = preview(model, before, image=image)
    assert torch.equal(maps, again[0]) and torch.equal(affinity, again[1])
    assert torch.equal(sample(model, positive), before)


def test_the_map_shows_who_owns_what(flux, condition, route, sample, preview, record, pack):
    """Every token's middle has its owner's colour."""
    maps_of = pack("nodes.host.maps")
    model = route(flux)
    samples = sample(model, condition(PROMPT, "dog", "robot"), size=(96, 80))
    maps, *_ = preview(model, samples)
    owned = torch.stack([s.owned[0].float() for s in record(model).steps.values()]).mean(0)
    owner = torch.cat([255 - owned.sum(-1, keepdim=True), owned], -1).argmax(-1) - 1
    side = maps.shape[2] // 5
    assert len(owner.unique()) > 1
    for token, k in enumerate(owner.tolist()):
        row, column = divmod(token, 5)
        pixel = maps[0, row * side + side // 2, column * side + side // 2] * 255
        wanted = torch.tensor(maps_of.colour_of(k)) * maps_of.COVER + 255 * (1 - maps_of.COVER)
        assert (pixel - wanted).abs().max() <= 1, (token, k)


def test_a_map_for_each_picture_of_a_batch(flux, condition, route, sample, preview):
    model = route(flux)
    samples = sample(model, condition(PROMPT, "dog", "robot"), batch=3)
    maps, affinity, *_ = preview(model, samples, image=torch.rand(3, 96, 80, 3))
    assert len(maps) == len(affinity) == 3
    assert not torch.equal(maps[0], maps[1])


def test_a_lora_loader_behind_routing_shares_its_record(flux, condition, route, sample, preview):
    routed = route(flux)
    later = routed.clone()
    samples = sample(later, condition(PROMPT, "dog", "robot"))
    assert preview(routed, samples)[0].shape == preview(later, samples)[0].shape


@pytest.mark.parametrize(
    "situation, sentence",
    [
        ("unrouted", "model did not go through MUSAR Routing"),
        ("never run", "No sampler has drawn with this model since its MUSAR Routing was made. Connect"),
        ("no subjects", "The latest run of model routed nothing"),
        ("dynamic off", "The latest run of model routed nothing"),
        ("other samples", "samples are 2 of 6 × 5 tokens and the latest run of model made 1 of 6 × 5"),
    ],
)
def test_what_cannot_be_drawn_is_said(flux, condition, route, sample, preview, situation, sentence):
    model = flux if situation == "unrouted" else route(flux, dynamic=situation != "dynamic off")
    samples = torch.zeros(1, 16, 12, 10)
    if situation in ("no subjects", "dynamic off", "other samples"):
        subjects = () if situation == "no subjects" else ("dog", "robot")
        sample(model, condition(PROMPT, *subjects))
    if situation == "other samples":
        samples = torch.zeros(2, 16, 12, 10)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        preview(model, samples)


@pytest.mark.parametrize("dynamic", [True, False])
def test_leak_is_measured_and_changes_nothing(flux, condition, route, sample, preview, record, dynamic):
    positive = condition(PROMPT, "dog", "robot")
    plain, measured = (route(flux, False, dynamic, leak=leak) for leak in (False, True))
    samples = sample(measured, positive, batch=2)
    assert torch.equal(samples, sample(plain, positive, batch=2))
    leaks = [step.leak.shares for step in record(measured).steps.values()]
    for shares in leaks:
        assert shares.isfinite().any() and (shares.nan_to_num(0).sum(-1) <= 1 + 1e-5).all()
        own, other = shares.diagonal(dim1=1, dim2=2), shares.flip(-1).diagonal(dim1=1, dim2=2)
        assert (own.nan_to_num(1) > 0).all()
        assert (other.nan_to_num(0) == 0).all() if dynamic else (other.nan_to_num(1) > 0).all()
    assert preview(measured, samples)[2].shape[2] > 300
    if dynamic:
        assert preview(plain, sample(plain, positive))[2].shape[1] == 44, "a sentence, no table"


@pytest.mark.parametrize("boxes", [None, [{"x": 0, "y": 0, "width": 48, "height": 96}]])
def test_one_subject_needs_no_affinity(
    flux, condition, route, sample, preview, record, pack, monkeypatch, boxes
):
    model, positive = route(flux), condition("a dog", "dog", **({"boxes": boxes} if boxes else {}))
    measured = route(flux, leak=True)
    samples = sample(measured, positive)
    owned = [step.owned for step in record(measured).steps.values()]
    assert preview(measured, samples)[1].shape[1] > 44
    monkeypatch.setattr(pack("nodes.host.routed_call"), "affinity", None)
    assert torch.equal(sample(model, positive), samples)
    assert all(torch.equal(a, b.owned) for a, b in zip(owned, record(model).steps.values()))
    assert preview(model, samples)[1].shape[1] == 44, "a sentence, no sheet"


THREE = ("cat", "house", "tree")


def both(call, one, other):
    return call("ConditioningCombine", conditioning_1=one, conditioning_2=other)[0]


def for_steps(call, conditioning, start, end):
    return call("ConditioningSetTimestepRange", conditioning=conditioning, start=start, end=end)[0]


@pytest.mark.parametrize("ranged", [True, False])
def test_each_conditioning_has_a_map_of_its_own(flux, condition, route, sample, preview, pack, call, ranged):
    """Two subjects and three, one after the other or both at once: each as if it were alone."""
    two, three = condition(PROMPT, "dog", "robot"), condition("a cat, a house and a tree", *THREE)
    first, then = (for_steps(call, two, 0, 0.5), for_steps(call, three, 0.5, 1)) if ranged else (two, three)
    model = route(flux, leak=True)
    samples = sample(model, both(call, first, then), steps=4, size=(96, 80), batch=2)
    parts = pack("nodes.host.record").records_of(model).now.shown
    assert [part.names for part in parts] == [["dog", "robot"], list(THREE)]
    numbers = [[part.number(sigma) for sigma in part.steps] for part in parts]
    assert numbers == ([[1, 2, 3], [3, 4]] if ranged else 2 * [[1, 2, 3, 4]])
    maps, affinity, leaks, masks = preview(model, samples, image=torch.rand(2, 96, 80, 3))
    assert len(maps) == len(affinity) == len(leaks) == 4 and masks.shape == (10, 96, 80)
    sample(model, for_steps(call, two, 0, 0.5) if ranged else two, steps=4, size=(96, 80), batch=2)
    (alone,) = pack("nodes.host.record").records_of(model).now.shown
    sigma = next(iter(alone.steps))
    assert torch.equal(alone.steps[sigma].owned, parts[0].steps[sigma].owned)


def test_an_area_cannot_be_laid_over_the_picture(flux, condition, route, sample, preview, call):
    place = {"width": 1.0, "height": 0.5, "x": 0.0, "y": 0.0, "strength": 1.0}
    two = condition(PROMPT, "dog", "robot")
    (area,) = call("ConditioningSetAreaPercentage", conditioning=two, **place)
    model = route(flux)
    with pytest.raises(ValueError, match="set to an area of the picture .* boxes on MUSAR Conditioning"):
        preview(model, sample(model, area, size=(96, 80)))
    other = condition("a cat and a house", "cat", "house")
    samples = sample(model, both(call, area, other), size=(96, 80))
    assert preview(model, samples)[3].shape == (2, 96, 80), "of what covers the picture"


def test_a_pass_that_leaves_layers_out_is_not_recorded(flux, condition, route, sample, record, call):
    """Core's Skip Layer Guidance asks again in the same step, without some blocks."""
    layers = {"double_layers": "0", "single_layers": "0", "scale": 1.0, "start_percent": 0.0}
    more = {"end_percent": 1.0, "rescaling_scale": 0.0}
    model = call("SkipLayerGuidanceDiT", model=route(flux, remember=True), **layers, **more)[0]
    positive, negative = condition(PROMPT, "dog", "robot"), condition("a cat")
    sample(model, positive, negative, cfg=2.0, steps=2)
    plain = route(flux, remember=True)
    skipped = record(model)
    sample(plain, positive, negative, cfg=2.0, steps=2)
    assert skipped.layers == record(plain).layers
    sigma = next(iter(skipped.steps))
    assert torch.equal(skipped.steps[sigma].owned, record(plain).steps[sigma].owned)


def test_a_guider_of_three_sides(flux, condition, route, preview, pack, call):
    """Core's Dual CFG Guider has the negative where the others have the positive."""
    model = route(flux)
    conds = {"cond1": condition(PROMPT, "dog", "robot"), "cond2": condition("a house")}
    cfg = {"cfg_conds": 2.0, "cfg_cond2_negative": 2.0, "style": "regular"}
    samples = guided(call, model, "DualCFGGuider", **conds, negative=condition("a tree"), **cfg)
    (part,) = pack("nodes.host.record").records_of(model).now.shown
    assert part.names == ["dog", "robot"] and len(part.steps) == 2
    assert preview(model, samples)[0].shape[0] == 1


@pytest.mark.parametrize("faces", [True, False])
def test_names_of_every_script_are_readable_or_counted(pack, monkeypatch, faces):
    """By what faces the machine has; Pillow's own has the letters of English."""
    lettering = pack("nodes.host.lettering")
    lettering._holding.cache_clear()
    if not faces:
        monkeypatch.setattr(lettering, "FACES", ())
    names = ["dog", "café", "狗", "робот", "ไทย", "a dog"]
    for k, (name, told) in enumerate(zip(names, lettering.shown(names)), 1):
        assert told in (name, f"subject {k}") and (name.isascii() == (told == name) or faces)
        face = lettering.font(20, f"{told} 45%")
        missing = bytes(face.getmask(lettering.NO_LETTER))
        assert all(bytes(face.getmask(letter)) != missing for letter in told if letter != " ")
    lettering._holding.cache_clear()


def test_sixteen_subjects_have_sixteen_colours(pack):
    maps = pack("nodes.host.maps")
    assert len({maps.colour_of(k) for k in range(-1, 16)}) == 17


def test_masks_are_the_owners_in_pixels(flux, condition, route, sample, preview, record):
    """Subject by subject and picture by picture; an odd side is cut, not padded."""
    model, positive = route(flux), condition("a dog, a robot and a house", "dog", "robot", "house")
    samples = sample(model, positive, size=(88, 80), batch=2)
    maps, *_, masks = preview(model, samples)
    assert len(maps) == 2, "whose legends need not be as high as one another"
    assert masks.shape == (6, 88, 80) and set(masks.unique().tolist()) == {0, 1}
    for b in range(2):
        owned = torch.stack([step.owned[b].float() for step in record(model).steps.values()]).mean(0)
        owner = torch.cat([255 - owned.sum(-1, keepdim=True), owned], -1).argmax(-1) - 1
        for token, k in enumerate(owner.tolist()):
            row, column = (16 * i + 4 for i in divmod(token, 5))
            assert [float(m[row, column]) for m in masks[3 * b : 3 * b + 3]] == [
                float(k == i) for i in range(3)
            ]


def test_an_ended_run_leaves_the_last_whole_one(flux, condition, route, sample, preview, monkeypatch, pack):
    """Its picture lies in the host's cache still."""
    model, positive = route(flux), condition(PROMPT, "dog", "robot")
    samples = sample(model, positive, steps=2)
    maps, *_ = preview(model, samples)
    calls, module = [], pack("nodes.host.routed_call")
    original = module.affinity

    def stop(*args):
        calls.append(args)
        if len(calls) > 7:  # in the second step
            raise ZeroDivisionError
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "affinity", stop)
        with pytest.raises(ZeroDivisionError):
            sample(model, positive, steps=2, seed=8)
    assert torch.equal(preview(model, samples)[0], maps)
