"""A preset sets what had to agree by hand; without one, or by hand, everything is as it was."""

import pytest
import torch

PROMPT = "a dog and a robot"
BY_HAND, FOLLOWS = "by hand", "as the conditioning says"


@pytest.mark.parametrize(
    "preset, positions, static",
    [
        ("MUSAR", "diagonal", True),
        ("UNO", "diagonal", False),
        ("Kontext", "index", False),
        ("UNO, four or more", "diagonal", True),
        ("Kontext, one place", "index", False),
        ("MUSAR, four or more", "diagonal", True),
    ],
)
def test_a_preset_is_its_settings(flux, route, sample, condition, preset, positions, static):
    by_hand = route(flux, static=static, evidence="centred")
    places = int(preset in ("Kontext, one place", "MUSAR, four or more"))
    wanted = sample(by_hand, condition(PROMPT, "dog", "robot", positions=positions, places=places))
    for other in (True, False):  # whatever the widgets say
        model = route(flux, static=other, settings=FOLLOWS)
        chosen = condition(PROMPT, "dog", "robot", positions="column", preset=preset)
        assert torch.equal(sample(model, chosen), wanted)


def test_the_hand_wins(flux, route, sample, condition):
    uno = condition(PROMPT, "dog", "robot", preset="UNO")
    by_hand = sample(route(flux, static=True, settings=BY_HAND), uno)
    assert torch.equal(by_hand, sample(route(flux, static=True), condition(PROMPT, "dog", "robot")))
    assert not torch.equal(by_hand, sample(route(flux, static=True, settings=FOLLOWS), uno))


def test_without_a_preset_the_widgets_hold(flux, route, sample, condition):
    plain = condition(PROMPT, "dog", "robot")
    for static in (True, False):
        follows, own = (sample(route(flux, static=static, settings=s), plain) for s in (FOLLOWS, BY_HAND))
        assert torch.equal(follows, own)


def test_two_presets_in_one_run_do_not_meet(flux, route, sample, condition):
    """As positive and negative: each goes by its own."""
    model = route(flux, settings=FOLLOWS)
    uno, musar = (condition(PROMPT, "dog", "robot", preset=name) for name in ("UNO", "MUSAR"))
    both = sample(model, uno, musar, cfg=2.0)
    assert not torch.equal(both, sample(model, uno, uno, cfg=2.0))
    assert not torch.equal(both, sample(model, musar, musar, cfg=2.0))


def test_a_preset_that_is_not_there(condition):
    with pytest.raises(
        ValueError, match="preset is 'SDXL', which FLUX.1 does not have. Choose 'MUSAR', 'UNO', 'Kontext'"
    ):
        condition(PROMPT, "dog", "robot", preset="SDXL")


def test_evidence_is_what_the_node_says(flux, route, sample, condition, pack, monkeypatch):
    """A layer that likes one phrase everywhere decides for all by raw evidence, for nobody by centred."""
    module, owners = pack("nodes.host.routed_call"), []
    original, assign = module.affinity, module.assign
    monkeypatch.setattr(module, "assign", lambda *args: owners.append(assign(*args)) or owners[-1])
    drawn = {}
    for liking in (0.0, 9.0):
        for rule in ("raw", "centred"):
            liked = torch.tensor([0.0, liking])
            monkeypatch.setattr(module, "affinity", lambda *args, liked=liked: original(*args) + liked)
            owners.clear()
            drawn[liking, rule] = sample(route(flux, evidence=rule), condition(PROMPT, "dog", "robot"))
            only_robots = all((owner == 1).all() for owner in owners)
            assert only_robots == (liking > 0 and rule == "raw")
    assert not torch.equal(drawn[9.0, "raw"], drawn[0.0, "raw"])
    assert (drawn[9.0, "centred"] - drawn[0.0, "centred"]).abs().mean() < 0.01
