"""Evidence by hand, and what a constant liking must not move."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import RULES, assign, evidence, smoothed

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
    with pytest.raises(ValueError, match="rule of evidence is one of raw, centred, sharp; found 'loud'"):
        evidence(layers(0)[0], rule="loud")


@given(SEEDS, st.integers(2, 4))
def test_sharp_is_the_centred_share_as_loud_as_it_tells_subjects_apart(seed, subjects):
    here = layers(seed, subjects=subjects)[0].double()
    for b, picture in enumerate(here):
        shares = [[float(v) / sum(map(float, token)) for v in token] for token in picture]
        leads = [sorted(token)[-1] - sorted(token)[-2] for token in shares]
        means = [sum(column) / len(shares) for column in zip(*shares)]
        loud = sum(leads) / len(leads)
        by_hand = [[loud * (v - mean) for v, mean in zip(token, means)] for token in shares]
        assert torch.allclose(evidence(here, rule="sharp")[b], torch.tensor(by_hand).double(), atol=1e-9)


def test_a_layer_that_tells_nothing_is_not_heard():
    even = torch.tensor([[[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]])  # nobody leads, and yet tokens differ
    assert evidence(even, rule="centred").any() and not evidence(even, rule="sharp").any()
    assert torch.isfinite(evidence(torch.zeros(1, 4, 3), rule="sharp")).all()


def test_smoothed_is_the_mean_over_neighbours():
    rows, columns = 3, 4
    found = torch.rand(2, rows * columns, 3, generator=torch.Generator().manual_seed(2))
    grid = found.view(2, rows, columns, 3)
    near = [
        grid[:, max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].mean((1, 2))
        for r in range(rows)
        for c in range(columns)
    ]
    assert torch.allclose(smoothed(found, (rows, columns)), torch.stack(near, 1), atol=1e-6)
