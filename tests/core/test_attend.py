"""What routed attention asks of the host's backend: few dense calls, none empty, none masked."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given

from musar_attention import TokenLayout, routed_attention

from .cases import PAIR, PAIR_OWNER, distance, random_qkv, routes


class Backend:
    """An `attend` that takes exactly q, k and v, and remembers their shapes."""

    def __init__(self):
        self.calls = []

    def __call__(self, q, k, v):
        self.calls.append((q.shape, k.shape, v.shape))
        return F.scaled_dot_product_attention(q, k, v)


@given(routes())
def test_calls_are_dense_and_never_empty(route):
    layout, batch, owner, static = route
    q, k, v = random_qkv(0, layout, batch, heads=2, depth=8)
    backend = Backend()
    out = routed_attention(q, k, v, layout, owner, static, attend=backend)
    for queries, keys, values in backend.calls:
        assert len(queries) == 4 and keys == values
        assert queries[0] == keys[0] and queries[0] in (1, batch)
        assert queries[1] == keys[1] == 2 and queries[3] == keys[3] == 8
        assert queries[2] > 0 and keys[2] > 0
    assert distance(out, routed_attention(q, k, v, layout, owner, static)) <= 1e-6


@given(routes())
def test_every_query_is_attended_once(route):
    layout, batch, owner, static = route
    backend = Backend()
    routed_attention(*random_qkv(0, layout, batch), layout, owner, static, attend=backend)
    assert sum(queries[0] * queries[2] for queries, _, _ in backend.calls) == batch * layout.length


@given(routes(owned=[False]))
def test_both_off_is_one_call_over_everything(route):
    layout, batch, _, _ = route
    q, k, v = random_qkv(0, layout, batch)
    backend = Backend()
    routed_attention(q, k, v, layout, None, static=False, attend=backend)
    assert backend.calls == [(q.shape, k.shape, v.shape)]


@pytest.mark.parametrize("static", [True, False])
def test_without_subjects_is_one_call(static):
    layout = TokenLayout(3, (2, 2))
    q, k, v = random_qkv(0, layout)
    backend = Backend()
    routed_attention(q, k, v, layout, static=static, attend=backend)
    assert backend.calls == [(q.shape, k.shape, v.shape)]


@pytest.mark.parametrize("owner", [None, PAIR_OWNER, torch.full_like(PAIR_OWNER, -1)])
def test_calls_of_the_static_rows_see_only_their_keys(owner):
    """T and extra see T, X, extra; a condition sees itself and X."""
    backend = Backend()
    routed_attention(*random_qkv(0, PAIR), PAIR, owner, static=True, attend=backend)
    sizes = [(queries[2], keys[2]) for queries, keys, _ in backend.calls]
    n = PAIR.target_length
    assert sizes[0] == (PAIR.prompt + PAIR.extra, PAIR.prompt + PAIR.extra + n)
    for subject in PAIR.subjects:
        own = subject.text + sum(h * w for h, w in subject.views)
        assert (own, own + n) in sizes


def test_a_subject_without_tokens_costs_no_call():
    def calls(owner):
        backend = Backend()
        routed_attention(*random_qkv(0, PAIR), PAIR, owner, static=False, attend=backend)
        return len(backend.calls)

    assert calls(PAIR_OWNER) == 1 + 3  # T, CT, CI, extra together; nobody, subject 1, subject 2
    assert calls(PAIR_OWNER.clamp_min(0)) == 1 + 2
    assert calls(torch.full_like(PAIR_OWNER, 1)) == 1 + 1
    assert calls(torch.full_like(PAIR_OWNER, -1)) == 1 + 1
