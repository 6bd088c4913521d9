"""The window of steps and blocks that MUSAR Routing works in."""

import pytest
import torch

PROMPT = "a dog and a robot on the beach"
BLOCKS = {"double": 0, "single": 2}  # the first of each kind, in the tests' network of 2 and 3


@pytest.fixture
def subjects(condition):
    return condition(PROMPT, "dog", "robot")


def test_window_of_steps_and_blocks(flux, route, sample, subjects, owners):
    sample(route(flux), subjects, steps=4)
    everything = len(owners.seen)
    assert everything == 4 * 5
    sample(route(flux, end_percent=0.5), subjects, steps=4)
    some = len(owners.seen) - everything
    assert 0 < some < everything and some % 5 == 0
    sample(route(flux, start_block=1, end_block=2), subjects, steps=4)
    assert len(owners.seen) - everything - some == 4 * 2


@pytest.mark.parametrize(
    "window, routed",
    (
        ({}, (0, 1, 2, 3, 4)),
        ({"start_block": 1, "end_block": 2}, (1, 2)),
        ({"start_block": 3}, (3, 4)),
        ({"end_block": 0}, (0,)),
    ),
)
def test_which_blocks(flux, route, sample, subjects, pack, monkeypatch, window, routed):
    kind, seen = pack("nodes.host.routed_call").RoutedCall, []
    switches = kind._switches

    def keep(self, options):
        seen.append((options["block_index"] + BLOCKS[options["block_type"]], switches(self, options)))
        return seen[-1][1]

    monkeypatch.setattr(kind, "_switches", keep)
    sample(route(flux, **window), subjects, steps=1)
    assert seen == [(n, (n in routed, n in routed, False)) for n in range(5)]


def test_which_steps(flux, route, sample, subjects, pack):
    """Those that the record has, from the noisiest on."""
    found = {}
    for name, window in (
        ("all", {}),
        ("late", {"start_percent": 0.5}),
        ("early", {"end_percent": 0.5}),
    ):
        model = route(flux, **window)
        sample(model, subjects, steps=6)
        (part,) = pack("nodes.host.record").records_of(model).now.shown
        found[name] = list(part.steps)
    late, early = len(found["late"]), len(found["early"])
    assert len(found["all"]) == 6 and 0 < late < 6 and 0 < early < 6
    assert found["late"] == found["all"][-late:] and found["early"] == found["all"][:early]


@pytest.mark.parametrize("outside", ({"start_percent": 1.0}, {"start_block": 900}))
def test_outside_of_it_everything_sees_everything(flux, route, sample, subjects, outside):
    off = sample(route(flux, static=False, dynamic=False), subjects, steps=3)
    assert torch.equal(sample(route(flux, **outside), subjects, steps=3), off)
    assert not torch.equal(sample(route(flux), subjects, steps=3), off)
