"""A mask that comes from elsewhere adds to the routes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import routed_attention

from .cases import PAIR, PAIR_OWNER, SEEDS, dense, distance, random, random_qkv, routes

shapes = st.sampled_from(["L L", "1 1 L L", "B 1 L L", "B H L L", "1 H L L", "B 1 1 L"])


def mask_of(shape, layout, batch, heads, seed):
    sizes = {"L": layout.length, "B": batch, "H": heads, "1": 1}
    return random(seed, *(sizes[s] for s in shape.split()))


@given(routes(most=4), shapes, SEEDS)
def test_equals_the_dense_mask_plus_the_mask(route, shape, seed):
    layout, batch, owner, static = route
    q, k, v = random_qkv(seed, layout, batch, heads=2)
    mask = mask_of(shape, layout, batch, 2, seed ^ 1)
    out = routed_attention(q, k, v, layout, owner, static, mask=mask)
    assert distance(out, dense(q, k, v, layout, owner, static, mask)) <= 1e-5


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("owner", [None, PAIR_OWNER])
def test_hides_a_prompt_token(owner, static):
    """−∞ on a token is the same as that token saying nothing at all."""
    q, k, v = random_qkv(0, PAIR)
    mask = torch.zeros(1, 1, 1, PAIR.length)
    mask[..., 1] = float("-inf")
    out = routed_attention(q, k, v, PAIR, owner, static, mask=mask)
    k[:, :, 1], v[:, :, 1] = 99.0, 99.0
    again = routed_attention(q, k, v, PAIR, owner, static, mask=mask)
    keep = torch.arange(PAIR.length) != 1
    assert distance(out[:, :, keep], again[:, :, keep]) <= 1e-6


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("owner", [None, PAIR_OWNER.expand(2, -1)])
def test_backend_gets_the_part_of_the_mask_for_its_rows_and_columns(owner, static):
    q, k, v = random_qkv(1, PAIR, batch=2)
    parts = []

    def attend(q, k, v, mask):
        parts.append(mask.shape[-2:] == (q.shape[2], k.shape[2]) and mask.shape[0] in (1, q.shape[0]))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    mask = random(2, 2, 1, PAIR.length, PAIR.length)
    out = routed_attention(q, k, v, PAIR, owner, static, attend=attend, mask=mask)
    assert all(parts)
    assert distance(out, dense(q, k, v, PAIR, owner, static, mask)) <= 1e-5
