"""Leak: the shares are those of the written-out attention."""

import math

import pytest
import torch

from musar_attention import Leak, SubjectTokens, TokenLayout, reference_marks, routed_attention, routing_mask

from .cases import random

LAYOUT = TokenLayout(3, (3, 4), (SubjectTokens((2, 1), (0,), 2), SubjectTokens((1, 3), (1,), 0)), extra=2)


@pytest.mark.parametrize("static", (True, False))
@pytest.mark.parametrize("dynamic", (True, False))
def test_it_is_the_written_out_attention(static, dynamic):
    q, k, v = (random(i, 2, 3, LAYOUT.length, 8) for i in range(3))
    owner = torch.randint(-1, 2, (2, LAYOUT.target_length), generator=torch.Generator().manual_seed(1))
    routes = owner if dynamic else None
    marked = routed_attention(q, k, reference_marks(v, LAYOUT), LAYOUT, routes, static)
    shares = Leak.of(marked, owner, LAYOUT).shares

    scores = (q @ k.transpose(-1, -2) / math.sqrt(8)).masked_fill(
        ~routing_mask(LAYOUT, routes, static)[:, None], float("-inf")
    )
    paid = scores.softmax(-1).mean(1)[:, LAYOUT.X]
    for b in range(2):
        for i in range(2):
            for other in range(2):
                columns = [*range(LAYOUT.length)][LAYOUT.CT(other)] + [*range(LAYOUT.length)][
                    LAYOUT.CI(other)
                ]
                wanted = paid[b][owner[b] == i][:, columns].sum(-1).mean()
                assert (shares[b, i, other] - wanted).abs() < 1e-6
                if dynamic and i != other:
                    assert shares[b, i, other] == 0, "routing lets nothing through"


def test_layers_add_up_by_tokens():
    first = Leak(torch.tensor([[[2.0]]]), torch.tensor([[4.0]]))
    second = Leak(torch.tensor([[[1.0]]]), torch.tensor([[1.0]]))
    assert (first + second).shares.item() == pytest.approx(3 / 5)
    assert (first + None).shares.item() == 0.5


def test_a_region_without_tokens_has_no_share():
    assert Leak(torch.zeros(1, 1, 1), torch.zeros(1, 1)).shares.isnan().all()


def test_more_subjects_than_values_hold():
    layout = TokenLayout(1, (1, 1), (SubjectTokens((1, 1), ()),) * 5)
    with pytest.raises(ValueError, match="up to 4 subjects; found 5"):
        reference_marks(torch.zeros(1, 1, layout.length, 4), layout)
