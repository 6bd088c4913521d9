import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import assign

from .cases import SEEDS, random

NAN, INF = float("nan"), float("inf")


def slow(affinity, allowed):
    """The first of the largest among the allowed, token by token."""
    owners = []
    for token, may in zip(affinity, allowed):
        best = -1
        for i, value in enumerate(token):
            if may[i] and (best < 0 or value > token[best]):
                best = i
        owners.append(best)
    return owners


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 16), st.booleans(), SEEDS)
def test_equals_a_slow_loop(batch, n, count, shared, seed):
    s = random(seed, batch, n, count).mul(2).round()  # whole numbers: many ties
    allowed = random(seed ^ 1, 1 if shared else batch, n, count) > 0
    owner = assign(s, allowed)
    assert owner.dtype == torch.int64 and owner.shape == (batch, n)
    rows = allowed.expand(batch, -1, -1).tolist()
    assert owner.tolist() == [slow(token, may) for token, may in zip(s.tolist(), rows)]
    assert assign(s).tolist() == [slow(token, [[True] * count] * n) for token in s.tolist()]


def test_largest_affinity_owns():
    s = torch.tensor([[[0.1, 0.5, 0.4], [0.7, 0.2, 0.1]], [[0.0, 0.0, 0.2], [0.3, 0.4, 0.3]]])
    assert assign(s).tolist() == [[1, 0], [2, 1]]


def test_where_none_is_allowed_nobody_owns():
    s = torch.tensor([[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]])
    allowed = torch.tensor([[[False, True], [False, False], [True, False]]])
    assert assign(s, allowed).tolist() == [[1, -1, 0]]


@pytest.mark.parametrize("allowed", [None, torch.ones(1, 1, 3, dtype=torch.bool)])
def test_ties_go_to_the_first(allowed):
    assert assign(torch.tensor([[[0.2, 0.4, 0.4]]]), allowed).item() == 1
    assert assign(torch.zeros(1, 1, 3), allowed).item() == 0


def test_ties_go_to_the_first_allowed():
    allowed = torch.tensor([[[False, True, True]]])
    assert assign(torch.zeros(1, 1, 3), allowed).item() == 1


def test_nan_counts_as_the_largest():
    s = torch.tensor([[[0.1, NAN, INF], [NAN, 0.5, NAN]]])
    assert assign(s).tolist() == [[1, 0]]


def test_nan_owns_only_where_it_is_allowed():
    s = torch.tensor([[[0.1, NAN, 0.3], [NAN, NAN, NAN]]])
    assert assign(s, torch.tensor([[[True, False, True]]])).tolist() == [[2, 0]]
    assert assign(s, torch.zeros(1, 2, 3, dtype=torch.bool)).tolist() == [[-1, -1]]


@pytest.mark.parametrize("allowed", [None, torch.ones(1, 5, 0, dtype=torch.bool)])
def test_without_subjects_nobody_owns(allowed):
    owner = assign(torch.zeros(2, 5, 0), allowed)
    assert owner.dtype == torch.int64
    assert owner.tolist() == [[-1] * 5] * 2
