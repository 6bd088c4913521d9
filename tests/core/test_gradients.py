"""Gradients flow through the routes as they do through the dense mask: the trainer needs them."""

from functools import partial

import pytest
import torch
from hypothesis import given

from musar_attention import SubjectTokens, TokenLayout, routed_attention

from .cases import PAIR, PAIR_OWNER, SEEDS, dense, distance, random, random_qkv, routes

both = pytest.mark.parametrize("static", [True, False])
given_or_not = pytest.mark.parametrize("owner", [None, PAIR_OWNER])


def gradients(attention, tensors, weights):
    """Of Σ weights · out, for those of q, k, v that need one."""
    leaves = [t.detach().clone().requires_grad_(t.requires_grad) for t in tensors]
    (attention(*leaves) * weights).sum().backward()
    return [t.grad for t in leaves if t.requires_grad]


@given(routes(most=6, side=3), SEEDS)
def test_equal_those_of_the_dense_mask(route, seed):
    layout, batch, owner, static = route
    tensors = [t.requires_grad_() for t in random_qkv(seed, layout, batch, dtype=torch.float64)]
    weights = random(seed ^ 1, *tensors[0].shape, dtype=torch.float64)
    routes = {"layout": layout, "owner": owner, "static": static}
    split = gradients(partial(routed_attention, **routes), tensors, weights)
    whole = gradients(partial(dense, **routes), tensors, weights)
    assert all(distance(a, b) <= 1e-10 for a, b in zip(split, whole))


@both
@given_or_not
@pytest.mark.parametrize("needed", ["q", "k", "v", "qk", "qv", "kv"])
def test_equal_those_of_the_dense_mask_when_only_some_are_needed(needed, owner, static):
    """A LoRA on to_q alone leaves keys and values without gradients."""
    tensors = random_qkv(0, PAIR)
    for name, tensor in zip("qkv", tensors):
        tensor.requires_grad_(name in needed)
    weights = random(1, *tensors[0].shape)
    routes = {"layout": PAIR, "owner": owner, "static": static}
    split = gradients(partial(routed_attention, **routes), tensors, weights)
    whole = gradients(partial(dense, **routes), tensors, weights)
    assert len(split) == len(needed)
    assert all(distance(a, b) <= 1e-5 for a, b in zip(split, whole))


@both
@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("strength", [None, (0.3, 1.0)])
def test_gradcheck(strength, owned, static):
    subjects = SubjectTokens((1, 1), (0,), text=1), SubjectTokens((1, 2), (0,))
    layout = TokenLayout(1, (1, 3), subjects, extra=1)
    owner = torch.tensor([[1, -1, 0]]) if owned else None
    tensors = [t.requires_grad_() for t in random_qkv(2, layout, heads=1, depth=2, dtype=torch.float64)]
    attention = partial(routed_attention, layout=layout, owner=owner, static=static, strength=strength)
    assert torch.autograd.gradcheck(attention, tensors)


@both
@given_or_not
def test_result_is_the_same_without_gradients(owner, static):
    tensors = [t.requires_grad_() for t in random_qkv(3, PAIR)]
    with_gradients = routed_attention(*tensors, PAIR, owner, static)
    assert with_gradients.requires_grad
    with torch.no_grad():
        without = routed_attention(*tensors, PAIR, owner, static)
    assert not without.requires_grad
    assert distance(with_gradients.detach(), without) <= 1e-6


@both
@pytest.mark.parametrize("absent", [0, 1])
def test_target_without_tokens_of_a_subject_sends_it_none(absent, static):
    q, k, v = (t.requires_grad_() for t in random_qkv(4, PAIR))
    out = routed_attention(q, k, v, PAIR, torch.full_like(PAIR_OWNER, 1 - absent), static)
    out[:, :, PAIR.X].sum().backward()
    for grad in (k.grad, v.grad):
        assert grad[:, :, PAIR.CI(absent)].abs().max() == 0
        assert grad[:, :, PAIR.CI(1 - absent)].abs().max() > 0
