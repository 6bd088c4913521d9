"""Core's TorchCompileModel around a routed model: the same pictures, nothing of ours traced in vain."""

import logging

import pytest
import torch

from .branches import weights

PROMPT = "a dog and a robot on the beach"


@pytest.mark.parametrize("with_lora", (False, True))
def test_a_compiled_model_draws_the_same(
    flux, lora, condition, route, sample, compiled, pack, caplog, with_lora
):
    caplog.set_level(logging.WARNING)
    base = lora(flux, weights(1), weights(2)) if with_lora else flux
    two, three = (
        condition(PROMPT, "dog", "robot"),
        condition("a dog, a cat and a house", "dog", "cat", "house"),
    )
    for static, positive in ((False, two), (True, three), (False, three), (True, two)):
        model = compiled(route(base, static))
        assert torch.equal(sample(model, positive, steps=2), sample(route(base, static), positive, steps=2))
        assert len(pack("nodes.host.record").records_of(model).now.shown[0].steps) == 2
    assert "nodes/host" not in caplog.text, "dynamo gave up on a function of ours, or broke the graph in it"


@pytest.mark.parametrize("with_lora", (False, True))
def test_what_was_traced_without_subjects_is_not_used_with_them(
    flux, lora, condition, route, sample, compiled, with_lora
):
    """The node keeps no guard on what hangs on a call: behind two sizes a graph is for all of them."""
    base = lora(flux, weights(1), weights(2)) if with_lora else flux
    nobody, two = condition(PROMPT), condition(PROMPT, "dog", "robot")
    runs = ((nobody, 96, 1), (nobody, 80, 1), (two, 112, 1), (nobody, 64, 1), (two, 128, 3), (two, 144, 3))
    for positive, side, cfg in runs:  # above 1 the negative is nobody's, too
        drawn = sample(compiled(route(base)), positive, size=(side, 80), cfg=cfg)
        assert torch.equal(drawn, sample(route(base), positive, size=(side, 80), cfg=cfg))


def test_dual_loras_one_behind_another(flux, lora, condition, route, sample, compiled):
    """Torch keeps no guard on hooks."""
    two = condition(PROMPT, "dog", "robot")
    plain, one, other = (route(flux), *(route(lora(flux, weights(k), weights(k + 1))) for k in (1, 3)))
    for model in (plain, one, other, plain, one):
        assert torch.equal(sample(compiled(model), two), sample(model, two))
