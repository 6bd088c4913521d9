"""strength s: a target token sees (1−s) · attn(T, X, extra) + s · attn(T, X, extra, CTk, CIk)."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import routed_attention

from .cases import PAIR, PAIR_OWNER, SEEDS, distance, random, random_qkv, routes

strengths = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


def by_hand(q, k, v, layout, owner, strength, mask=None):
    """The rows of X, one token at a time: [B,H,n,D]."""
    every = list(range(layout.length))
    out = torch.empty_like(q[:, :, layout.X])

    def attend(b, row, columns):
        added = None if mask is None else mask[b : b + 1, :, row : row + 1, columns]
        query = q[b : b + 1, :, row : row + 1]
        kk, vv = k[b : b + 1, :, columns], v[b : b + 1, :, columns]
        return F.scaled_dot_product_attention(query, kk, vv, attn_mask=added)[0, :, 0]

    for b, labels in enumerate(owner.tolist()):
        for place, i in enumerate(labels):
            row = layout.X.start + place
            words = sorted(set(every[layout.T]) - set(layout.unseen(i)))
            common = [*words, *every[layout.X], *every[layout.extra_slice]]
            out[b, :, place] = attend(b, row, common)
            if i >= 0:
                own = [*every[layout.CT(i)], *every[layout.CI(i)]]
                s = strength[i]
                out[b, :, place] = (1 - s) * out[b, :, place] + s * attend(b, row, common + own)
    return out


@given(routes(most=4, owned=[True]), st.data(), SEEDS)
def test_equals_the_formula(route, data, seed):
    layout, batch, owner, static = route
    strength = data.draw(st.lists(strengths, min_size=layout.count, max_size=layout.count))
    q, k, v = random_qkv(seed, layout, batch)
    out = routed_attention(q, k, v, layout, owner, static, strength=strength)
    assert distance(out[:, :, layout.X], by_hand(q, k, v, layout, owner, strength)) <= 1e-5


def test_equals_the_formula_under_a_mask():
    q, k, v = random_qkv(0, PAIR, batch=2)
    owner = torch.cat([PAIR_OWNER, PAIR_OWNER.flip(1)])
    mask = random(1, 2, 1, PAIR.length, PAIR.length)
    out = routed_attention(q, k, v, PAIR, owner, mask=mask, strength=[0.3, 0.8])
    assert distance(out[:, :, PAIR.X], by_hand(q, k, v, PAIR, owner, [0.3, 0.8], mask)) <= 1e-5


@pytest.mark.parametrize("static", [True, False])
def test_other_rows_do_not_feel_it(static):
    q, k, v = random_qkv(2, PAIR)
    weak = routed_attention(q, k, v, PAIR, PAIR_OWNER, static, strength=[0.2, 0.0])
    full = routed_attention(q, k, v, PAIR, PAIR_OWNER, static)
    for rows in (slice(0, PAIR.X.start), slice(PAIR.X.stop, PAIR.length)):
        assert torch.equal(weak[:, :, rows], full[:, :, rows])
    owned = PAIR.X.start + (PAIR_OWNER[0] >= 0).nonzero()[:, 0]
    assert (weak - full)[:, :, owned].abs().amax((0, 1, 3)).min() > 0


def attended(strength, owner=PAIR_OWNER):
    """The result, and how many calls it took."""
    calls = []

    def attend(q, k, v):
        calls.append(q.shape)
        return F.scaled_dot_product_attention(q, k, v)

    out = routed_attention(*random_qkv(3, PAIR), PAIR, owner, attend=attend, strength=strength)
    return out, len(calls)


def test_one_is_as_if_it_were_not_given():
    (one, calls), (plain, calls_of_plain) = attended([1.0, 1.0]), attended(None)
    assert torch.equal(one, plain) and calls == calls_of_plain


def test_zero_is_as_if_nobody_owned_the_token():
    (zero, calls), (plain, calls_of_plain) = attended([0.0, 1.0]), attended(None)
    nobody, _ = attended(None, PAIR_OWNER.masked_fill(PAIR_OWNER == 0, -1))
    assert distance(zero, nobody) <= 1e-6 and calls == calls_of_plain
    assert not torch.equal(zero, plain)


def test_between_takes_one_call_more():
    assert attended([0.5, 1.0])[1] == attended(None)[1] + 1
    assert attended([0.5, 0.5])[1] == attended(None)[1] + 2
