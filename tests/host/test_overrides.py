"""Attention of other nodes, and other kinds of the host's: ours goes through theirs."""

import pytest
import torch

OVERRIDE = "optimized_attention_override"


@pytest.fixture
def subjects(condition):
    return condition("a dog and a robot on the beach", "dog", "robot")


def _with_override(model, override):
    other = model.clone()
    other.model_options["transformer_options"][OVERRIDE] = override
    return other


def test_an_override_before_ours_is_chained(flux, route, sample, subjects):
    seen = []

    def override(func, q, k, v, heads, **kwargs):
        seen.append(q.shape[2])
        return func(q, k, v, heads, **kwargs)

    out = sample(route(_with_override(flux, override)), subjects)
    assert torch.equal(out, sample(route(flux), subjects))
    assert len(set(seen)) > 3  # it got the split calls


def _less_their_mean(func, q, k, v, heads, **kwargs):
    """As SageAttention 1 and 3: the keys that it was given are others afterwards."""
    k -= k.mean(-2, keepdim=True)
    return func(q, k, v, heads, **kwargs)


@pytest.mark.parametrize("by_a_node", (True, False))
def test_attention_that_writes_into_its_keys(flux, route, sample, subjects, by_a_node, monkeypatch):
    """A softmax does not see what all keys have in common; calls after it on other parts of them do."""
    import comfy.ldm.flux.math
    from comfy.ldm.modules.attention import attention_pytorch, wrap_attn

    right, model = sample(route(flux), subjects), flux
    if by_a_node:
        model = _with_override(flux, _less_their_mean)
    else:

        @wrap_attn
        def attention3_sage(q, k, v, heads, **kwargs):
            return _less_their_mean(attention_pytorch, q, k, v, heads, **kwargs)

        monkeypatch.setattr(comfy.ldm.flux.math, "optimized_attention", attention3_sage)
    assert (sample(route(model), subjects) - right).abs().max() < 1e-4 * right.abs().max()
