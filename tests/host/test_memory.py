"""From step to step, and with the neighbours: owners against the evidence added up by hand."""

import pytest
import torch

PROMPT, PHRASES = "a dog and a robot on the beach", ("dog", "robot")
STEPS = 3


@pytest.fixture
def heard(pack, monkeypatch):
    """Each layer's affinity, in order."""
    module, seen = pack("nodes.host.routed_call"), []
    original = module.affinity

    def keep(*args):
        seen.append(original(*args))
        return seen[-1]

    monkeypatch.setattr(module, "affinity", keep)
    return seen


def by_hand(heard, layers, remember, smooth, target):
    """The owners of every layer; `heard` has the layers of every step, one after another."""
    total, owners = None, []
    for number, here in enumerate(heard):
        if number % layers == 0 and not remember:
            total = None
        total = here if total is None else total + here
        told = total
        if smooth:
            rows, columns = target
            grid = total.view(len(total), rows, columns, -1)
            near = [
                grid[:, max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].mean((1, 2))
                for r in range(rows)
                for c in range(columns)
            ]
            told = torch.stack(near, 1)
        owners.append(told.argmax(-1))
    return owners


@pytest.mark.parametrize("remember", (False, True))
@pytest.mark.parametrize("smooth", (False, True))
def test_owners_by_hand(flux, condition, route, sample, owners, heard, remember, smooth):
    model = route(flux, remember=remember, smooth=smooth)
    sample(model, condition(PROMPT, *PHRASES), size=(96, 80), batch=2, steps=STEPS)
    layers = len(heard) // STEPS
    assert len(owners.seen) == len(heard) == layers * STEPS
    for found, wanted in zip(owners.seen, by_hand(heard, layers, remember, smooth, (6, 5))):
        assert torch.equal(found, wanted)


def test_the_first_step_is_the_same_and_the_next_is_not(flux, condition, route, sample):
    positive = condition(PROMPT, *PHRASES)
    for steps, same in ((1, True), (STEPS, False)):
        plain, told = (sample(route(flux, remember=r), positive, steps=steps) for r in (False, True))
        assert torch.equal(plain, told) == same


def test_a_run_remembers_nothing_of_the_one_before(flux, condition, route, sample):
    model, positive = route(flux, remember=True), condition(PROMPT, *PHRASES)
    first = sample(model, positive, steps=STEPS)
    sample(model, condition("a robot and a dog", "robot", "dog"), steps=STEPS)
    assert torch.equal(sample(model, positive, steps=STEPS), first)


def test_nothing_is_kept_behind_a_run(flux, condition, route, sample):
    model = route(flux, remember=True)
    sample(model, condition(PROMPT, *PHRASES), steps=STEPS)
    assert model.get_wrappers("diffusion_model", "musar")[-1].memory.kept == {}


@pytest.mark.parametrize("area", (False, True))
def test_a_zeroed_negative_moves_no_owner(flux, condition, route, sample, owners, call, area):
    """It shares the batch of the positive, and its plan."""
    positive = condition(PROMPT, *PHRASES)
    if area:
        place = {"width": 1.0, "height": 0.5, "x": 0.0, "y": 0.0, "strength": 1.0}
        (positive,) = call("ConditioningSetAreaPercentage", conditioning=positive, **place)
    (negative,) = call("ConditioningZeroOut", conditioning=positive)
    found = {}
    for cfg in (
        1.0,
        1.0 + 1e-6,
    ):  # the second asks for the negative as well, and weighs next to nothing by it
        owners.seen.clear()
        sample(route(flux, remember=True), positive, negative, cfg=cfg, steps=STEPS, size=(64, 64))
        found[cfg] = list(owners.seen)
    alone, beside = found.values()
    assert any((o < 0).all(1).any() for o in beside), "the negative was asked"
    real = [o[(o >= 0).any(1)] for o in beside]
    real = [o for o in real if len(o)]
    assert len(real) == len(alone) and all(torch.equal(a, b) for a, b in zip(alone, real))


def test_without_accumulate_it_does_nothing(flux, condition, route, sample):
    positive = condition(PROMPT, *PHRASES)
    plain, told = (
        sample(route(flux, accumulate=False, remember=r), positive, steps=STEPS) for r in (False, True)
    )
    assert torch.equal(plain, told)


def test_beside_a_conditioning_of_another_size(flux, condition, route, sample, call):
    """Each is a call of the model of its own, and remembers its own."""
    model, whole = route(flux, remember=True), condition(PROMPT, *PHRASES)
    area = {"width": 1.0, "height": 0.5, "x": 0.0, "y": 0.0, "strength": 0.0}  # it counts for nothing
    part = condition("a robot and a dog", "robot", "dog")
    (part,) = call("ConditioningSetAreaPercentage", conditioning=part, **area)
    (both,) = call("ConditioningCombine", conditioning_1=whole, conditioning_2=part)
    alone, beside = (sample(model, given, steps=STEPS, size=(64, 64)) for given in (whole, both))
    assert torch.allclose(alone, beside, atol=1e-5)


def test_memory_by_the_conditionings_ids(pack):
    memory = pack("nodes.host.memory").Memory()
    one, two = torch.rand(2, 2, 6, 3).unbind()
    memory.keep({"cond_or_uncond": [0, 0], "uuids": ["a", "b"]}, torch.cat([one, two]), 4)
    assert torch.equal(memory.recall({"cond_or_uncond": [0], "uuids": ["b"]}, (2, 6, 3)), two)
    assert torch.equal(
        memory.recall({"cond_or_uncond": [0, 0], "uuids": ["b", "a"]}, (4, 6, 3)), torch.cat([two, one])
    )
    assert memory.recall({"cond_or_uncond": [0, 0], "uuids": ["a", "c"]}, (4, 6, 3)) is None
    assert memory.recall({"cond_or_uncond": [0], "uuids": ["a"]}, (2, 8, 3)) is None
    assert memory.recall({"cond_or_uncond": [0], "uuids": ["a"]}, (1, 6, 3)) is None
    memory.keep({"cond_or_uncond": [0]}, one, 4)
    memory.keep({"cond_or_uncond": [0]}, two, 3)  # fewer layers: forgotten
    assert torch.equal(memory.recall({"cond_or_uncond": [0]}, (2, 6, 3)), one)
    both = {"cond_or_uncond": [1, 0], "uuids": ["d", "d"]}  # of an area, on both sides
    memory.keep(both, torch.cat([one, two]), 4)
    assert torch.equal(memory.recall({"cond_or_uncond": [0], "uuids": ["d"]}, (2, 6, 3)), two)


def test_kept_keys_by_side_and_id(pack):
    """An area's conditioning stands on both sides under one id, and each side keeps its own."""
    keys = pack("nodes.host.kept_keys")
    cache = type(keys.CACHE, (), {"cache": None})()
    options, kept = {"patches": {"attn1_patch": [cache]}, "uuids": ["a"]}, {}
    for side in (0, 1):
        with keys.own_keys(options | {"cond_or_uncond": [side]}, kept):
            assert cache.cache == {}
            cache.cache["double_0"] = side
    with keys.own_keys(options | {"cond_or_uncond": [0]}, kept):
        assert cache.cache == {"double_0": 0}
    assert cache.cache is None
    with pytest.raises(ValueError, match="MultiGPU CFG Split runs both sides at once. With"):
        with keys.own_keys(options | {"multigpu_thread_device": "cuda:1"}, kept):
            pass
