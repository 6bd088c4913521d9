"""Routed attention, call by call, equals attention along the dense mask."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from musar_attention import TokenLayout, routed_attention

from .cases import PAIR, PAIR_OWNER, SEEDS, dense, distance, random, random_qkv, routes

both = pytest.mark.parametrize("static", [True, False])


@given(routes(), st.integers(1, 3), st.sampled_from([2, 8, 16]), SEEDS)
@settings(max_examples=400)
def test_equals_the_dense_mask(route, heads, depth, seed):
    layout, batch, owner, static = route
    q, k, v = random_qkv(seed, layout, batch, heads, depth)
    out = routed_attention(q, k, v, layout, owner, static)
    assert distance(out, dense(q, k, v, layout, owner, static)) <= 1e-5


@given(routes(owned=(True,)), st.integers(0, 7), SEEDS)
@settings(max_examples=200)
def test_samples_that_say_nothing(route, which, seed):
    layout, batch, owner, static = route
    silent = [bool(which >> b & 1) for b in range(batch)]
    owner[torch.tensor(silent)] = -1
    q, k, v = random_qkv(seed, layout, batch)
    out = routed_attention(q, k, v, layout, owner, static, silent=silent)
    assert distance(out, dense(q, k, v, layout, owner, static, silent=silent)) <= 1e-5


@given(routes(), SEEDS)
@settings(max_examples=200)
def test_queries_without_references_are_the_first_rows(route, seed):
    """Of what the whole queries give: references that keep their keys and values ask no more."""
    layout, batch, owner, static = route
    q, k, v = random_qkv(seed, layout, batch)
    mask = random(seed, layout.length, layout.length)
    for bias in (None, mask):
        whole = dense(q, k, v, layout, owner, static, bias)
        out = routed_attention(q[:, :, : layout.X.stop], k, v, layout, owner, static, mask=bias)
        assert distance(out, whole[:, :, : layout.X.stop]) <= 1e-5


@both
@pytest.mark.parametrize("label", [-1, 0, 1])
def test_one_owner_for_every_token(label, static):
    q, k, v = random_qkv(0, PAIR, batch=2)
    owner = torch.full((2, PAIR.target_length), label)
    out = routed_attention(q, k, v, PAIR, owner, static)
    assert distance(out, dense(q, k, v, PAIR, owner, static)) <= 1e-5
    known = routed_attention(q, k, v, PAIR, label, static)  # beforehand
    assert torch.equal(known, out)


@both
def test_samples_do_not_see_each_other(static):
    q, k, v = random_qkv(1, PAIR, batch=2)
    owner = torch.cat([PAIR_OWNER, torch.full_like(PAIR_OWNER, -1)])
    together = routed_attention(q, k, v, PAIR, owner, static)
    for b in range(2):
        alone = routed_attention(*(t[b : b + 1] for t in (q, k, v)), PAIR, owner[b : b + 1], static)
        assert distance(together[b : b + 1], alone) <= 1e-6


def test_both_off_is_full_attention():
    q, k, v = random_qkv(2, PAIR, batch=2)
    out = routed_attention(q, k, v, PAIR, owner=None, static=False)
    assert torch.equal(out, F.scaled_dot_product_attention(q, k, v))


@both
def test_without_subjects_is_full_attention(static):
    layout = TokenLayout(prompt=3, target=(2, 2), extra=1)
    q, k, v = random_qkv(3, layout)
    out = routed_attention(q, k, v, layout, torch.full((1, 4), -1), static)
    assert torch.equal(out, F.scaled_dot_product_attention(q, k, v))


@both
def test_views_give_the_same(static):
    tokens = random(4, 2, PAIR.length, 3, 4, 8)  # B L 3 H D, as one linear layer makes them
    q, k, v = tokens.transpose(1, 3).unbind(2)
    assert not q.is_contiguous()
    owner = PAIR_OWNER.expand(2, -1)
    out = routed_attention(q, k, v, PAIR, owner, static)
    again = routed_attention(*(t.contiguous() for t in (q, k, v)), PAIR, owner, static)
    assert distance(out, again) <= 1e-6


def test_inputs_stay_as_they_are():
    q, k, v = random_qkv(5, PAIR)
    before = [t.clone() for t in (q, k, v)]
    routed_attention(q, k, v, PAIR, PAIR_OWNER)
    assert all(torch.equal(t, was) for t, was in zip((q, k, v), before))


@pytest.mark.parametrize("wrong", "qkv")
@pytest.mark.parametrize("more", [-1, 1])
def test_lengths_that_are_not_the_layouts(wrong, more):
    tensors = dict(zip("qkv", random_qkv(8, PAIR)))
    tensors[wrong] = torch.zeros(1, 2, PAIR.length + more, tensors[wrong].shape[-1])
    lengths = ", ".join(str(t.shape[2]) for t in tensors.values())
    with pytest.raises(ValueError, match=f"layout has {PAIR.length} tokens, and q, k and v have {lengths}"):
        routed_attention(**tensors, layout=PAIR)


def test_shapes_that_do_not_go_together():
    q, k, v = random_qkv(9, PAIR, batch=2)
    for wrong in ((q, k[:1], v), (q, k, v[:, :1]), (q, k[..., :2], v), (q[0], k[0], v[0])):
        with pytest.raises(ValueError, match="q, k and v have|q and k have one shape"):
            routed_attention(*wrong, PAIR)


@both
def test_owners_of_another_shape_where_nobody_is_routed(static):
    nobody = TokenLayout(3, (2, 2))
    with pytest.raises(ValueError, match=r"Owners are \[1, 4\]"):
        routed_attention(*random_qkv(10, nobody), nobody, torch.zeros(1, 5, dtype=torch.int64), static)


# One owner per target token of each sample: 2 × 6.
@pytest.mark.parametrize("shape", [(2, 5), (2, 7), (6,), (2, 2, 3), (1, 6), (3, 6)])
def test_owners_of_another_shape(shape):
    q, k, v = random_qkv(6, PAIR, batch=2)
    with pytest.raises(ValueError, match="Owners are"):
        routed_attention(q, k, v, PAIR, torch.zeros(shape, dtype=torch.int64))


@both
@pytest.mark.parametrize("label", [-2, 2, 100])
def test_owners_that_are_no_subject(label, static):
    q, k, v = random_qkv(7, PAIR, batch=2)
    owner = PAIR_OWNER.repeat(2, 1)
    owner[1, 3] = label
    with pytest.raises(ValueError, match="Owners lie in -1 … 1"):
        routed_attention(q, k, v, PAIR, owner, static)
