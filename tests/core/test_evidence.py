"""Evidence by hand, and what a constant liking must not move."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import RULES, assign, evidence

from .cases import SEEDS


def layers(seed, count=3, batch=2, n=12, subjects=3):
    g = torch.Generator().manual_seed(seed)
    return torch.rand(count, batch, n, subjects, generator=g)


def gathered(layers, rule):
    total = None
    for here in layers:
        total = evidence(here, total, rule)
    return total


@given(SEEDS, st.sampled_from(RULES))
def test_layers_add_up_and_their_order_does_not_count(seed, rule):
    found = layers(seed)
    forwards, backwards = gathered(found, rule), gathered(found.flip(0), rule)
    assert forwards.shape == found.shape[1:]
    assert torch.allclose(forwards, backwards, atol=1e-5)


def test_raw_is_the_affinity_and_centred_has_no_mean():
    here = torch.tensor([[[1.0, 3.0], [2.0, 5.0]]])
    assert evidence(here) is here
    assert evidence(here, rule="centred").tolist() == [[[-0.5, -1.0], [0.5, 1.0]]]


@given(SEEDS)
def test_a_constant_liking_moves_nobody(seed):
    found = layers(seed)
    liking = torch.tensor([0.0, 50.0, -3.0])
    biased = found + liking * (torch.arange(3) == 1)[:, None, None, None]  # in one layer
    plain, moved = gathered(found, "centred"), gathered(biased, "centred")
    assert torch.allclose(plain, moved, atol=1e-4)
    assert (assign(gathered(biased, "raw")) == 1).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("subjects", [0, 1])
def test_nothing_and_nobody(rule, subjects):
    assert evidence(torch.zeros(1, 5, subjects), rule=rule).shape == (1, 5, subjects)


def test_unknown_rule():
    with pytest.raises(ValueError, match="rule of evidence is one of raw, centred; found 'loud'"):
        evidence(layers(0)[0], rule="loud")
