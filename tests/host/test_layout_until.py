"""Boxes and regions that place their subjects in the first part of the sampling."""

import pytest
import torch

from gallery.graph import PLACING

PROMPT = "a dog and a robot on the beach"
LEFT = {"x": 0, "y": 0, "width": 32, "height": 64}
RIGHT = {**LEFT, "x": 32}


@pytest.fixture
def boxed(condition):
    def conditioned(boxes=(LEFT, RIGHT), **inputs):
        return condition(PROMPT, "dog", "robot", boxes=[list(boxes)], **inputs)

    return conditioned


@pytest.fixture
def held(pack, monkeypatch):
    """Which subjects' phrases are held, call by call of the model."""
    wrapper, seen = pack("nodes.host.wrapper"), []
    lay_out = wrapper.lay_out

    def watched(*args):
        layout = lay_out(*args)
        seen.append([subject.held for subject in layout.subjects])
        return layout

    monkeypatch.setattr(wrapper, "lay_out", watched)
    return seen


@pytest.mark.parametrize("until, steps", [(0.0, 0), (0.2, 2), (0.3, 3), (0.35, 4), (0.5, 5), (1.0, 10)])
@pytest.mark.parametrize("preset", ["by hand", "UNO"])
def test_in_which_steps(flux, route, sample, boxed, held, preset, until, steps):
    sample(route(flux), boxed(layout_until=until, preset=preset), steps=10)
    assert held == [[True, True]] * steps + [[False, False]] * (10 - steps)


def test_whom(flux, route, sample, boxed, held):
    sample(route(flux), boxed([LEFT], layout_until=0.4), steps=2)
    assert held == [[True, False], [False, False]]


def test_a_region_places_too(flux, route, sample, call, clip, vae, picture, held):
    region = torch.zeros(1, 64, 64)
    region[:, :, :32] = 1
    subjects = {
        "subject_1": call("MusarSubject", image=picture(), prompt="", phrase="dog", region=region)[0],
        "subject_2": call("MusarSubject", image=picture(seed=1), prompt="", phrase="robot")[0],
    }
    inputs = {"clip": clip, "vae": vae, "prompt": PROMPT, "subjects": subjects, "reference_size": 64}
    sample(route(flux), call("MusarConditioning", **inputs, layout_until=0.4)[0], steps=2)
    assert held == [[True, False], [False, False]]


def test_zero_is_as_if_it_were_not_there(flux, route, sample, boxed, pack, monkeypatch):
    model = route(flux)
    zero, some = (sample(model, boxed(layout_until=until)) for until in (0.0, 0.5))
    monkeypatch.setattr(pack("nodes.host.settings").Settings, "before", lambda *args: False)
    without = sample(model, boxed(layout_until=0.5))
    assert torch.equal(zero, without) and not torch.equal(zero, some)


def test_outside_the_blocks_that_route_it_does_nothing(flux, route, sample, boxed):
    model = route(flux, start_block=50, end_block=60)
    assert torch.equal(*(sample(model, boxed(layout_until=until)) for until in (0.0, 1.0)))


def test_outside_the_steps_that_route_it_does_nothing(flux, route, sample, boxed):
    model = route(flux, start_percent=0.5)
    assert torch.equal(*(sample(model, boxed(layout_until=until), steps=4) for until in (0.0, 0.5)))


@pytest.mark.parametrize("apart", (False, True))
def test_a_zeroed_negative_sees_all_its_words(flux, route, sample, boxed, call, held, monkeypatch, apart):
    """They are nothing, all of them: fewer would weigh less against the picture."""
    if apart:  # as where memory is short
        monkeypatch.setattr(flux.model, "memory_required", lambda *args, **kwargs: 1 << 60)
    model, free = route(flux), boxed()
    positive = boxed(layout_until=1.0)
    (zeroed,) = call("ConditioningZeroOut", conditioning=positive)
    (never,) = call("ConditioningZeroOut", conditioning=free)
    drawn = [sample(model, positive, negative, cfg=3.0, steps=2) for negative in (zeroed, never)]
    assert (drawn[0] - drawn[1]).abs().max() <= 1e-5 * drawn[0].abs().max()
    assert [True, True] in held
    assert len(held) == (8 if apart else 6)  # two steps; what was not planned alike is never in one call


def test_the_graphs_have_what_the_node_advises(pack):
    families = {family.name: family.layout_until for family in pack("nodes.host.families").FAMILIES}
    assert families == {"FLUX.1": PLACING, "FLUX.2": 0}


def test_without_boxes_it_does_nothing(flux, route, sample, condition):
    model = route(flux)
    plain, some = (condition(PROMPT, "dog", "robot", layout_until=until) for until in (0.0, 0.5))
    assert torch.equal(sample(model, plain), sample(model, some))
