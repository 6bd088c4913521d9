"""Evidence by hand, and what each rule must not be moved by."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import RULES, assign, evidence, smoothed

SEEDS = st.integers(0, 10_000)


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
    assert torch.allclose(forwards, sum(evidence(here, rule=rule) for here in found), atol=1e-5)


def test_raw_is_the_affinity():
    here = layers(1)[0]
    assert torch.equal(evidence(here), here)


@given(SEEDS, st.sampled_from(["centred", "standard"]))
def test_a_constant_liking_moves_nobody(seed, rule):
    found = layers(seed)
    liking = torch.tensor([0.0, 50.0, -3.0])
    biased = found + liking * (torch.arange(3) == 1)[:, None, None, None]  # in one layer
    assert torch.allclose(gathered(found, rule), gathered(biased, rule), atol=1e-4)
    assert (assign(gathered(biased, "raw")) == 1).all()


@given(SEEDS, st.floats(0.01, 100))
def test_standard_hears_every_layer_as_loudly(seed, volume):
    found = layers(seed)
    louder = found * torch.tensor([1.0, volume, 1.0])[:, None, None, None]
    assert torch.allclose(gathered(found, "standard"), gathered(louder, "standard"), atol=1e-3)


def test_share_by_hand():
    here = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]])
    assert evidence(here, rule="share").tolist() == [[[0.25, 0.75], [0.5, 0.5]]]


def test_sharp_does_not_hear_a_layer_that_tells_nothing():
    dull, clear = torch.full((1, 4, 2), 0.5), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).repeat(1, 2, 1)
    assert not evidence(dull, rule="sharp").any()
    assert torch.equal(evidence(dull, evidence(clear, rule="sharp"), "sharp"), evidence(clear, rule="sharp"))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("subjects", [0, 1])
def test_nothing_and_nobody(rule, subjects):
    assert torch.isfinite(evidence(torch.zeros(1, 5, subjects), rule=rule)).all()


def test_unknown_rule():
    with pytest.raises(ValueError, match="rule of evidence is one of raw, .*; found 'loud'"):
        evidence(layers(0)[0], rule="loud")


def test_smoothed_is_the_mean_over_neighbours():
    rows, columns = 3, 4
    found = layers(2, n=rows * columns)[0]
    grid = found.view(2, rows, columns, 3)
    slow = torch.stack(
        [
            grid[:, max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].mean((1, 2))
            for r in range(rows)
            for c in range(columns)
        ],
        1,
    )
    assert torch.allclose(smoothed(found, (rows, columns)), slow, atol=1e-6)
