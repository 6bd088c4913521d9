"""The record of a step: shares of layers, means of S*, small."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import Tally, owner_of

from .cases import SEEDS, random


@given(SEEDS, st.integers(1, 3), st.integers(1, 20), st.integers(1, 5), st.integers(1, 6))
def test_means_over_layers(seed, batch, tokens, count, layers):
    g = torch.Generator().manual_seed(seed)
    strengths = random(seed, layers, batch, tokens, count).abs()
    owners = torch.randint(-1, count, (layers, batch, tokens), generator=g)
    tally = Tally()
    before = strengths.clone()
    for s, owner in zip(strengths, owners):
        tally.name(s)
        tally.own(owner)
    assert torch.equal(strengths, before), "what came in was changed"
    record = tally.result()
    for k in range(count):
        share = (owners == k).float().mean(0)
        assert (record.owned[..., k].float() / 255 - share).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.allclose(record.affinity.float(), strengths.mean(0), atol=2e-3)


def test_owner_of_most_layers():
    owned = torch.tensor([[[200, 55], [0, 0], [100, 120], [40, 60]]], dtype=torch.uint8)
    assert owner_of(owned).tolist() == [[0, -1, 1, -1]]


def test_part_of_the_batch():
    tally = Tally()
    tally.name(torch.arange(4.0)[:, None, None])
    tally.own(torch.tensor([[0], [-1], [0], [-1]]))
    assert tally.result(slice(2, 4)).affinity.flatten().tolist() == [2, 3]
    assert tally.result(slice(2, 4)).owned.flatten().tolist() == [255, 0]


def test_nothing_routed_is_no_record():
    assert Tally().result() is None


def test_a_step_of_four_subjects_at_1024_pixels_is_small():
    tally = Tally()
    tally.name(torch.rand(1, 4096, 4))
    tally.own(torch.zeros(1, 4096, dtype=torch.int64))
    record = tally.result()
    assert record.owned.nbytes + record.affinity.nbytes <= 64 * 1024
