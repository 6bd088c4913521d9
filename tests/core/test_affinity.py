"""S* against Eq. 2–3 written out: softmax per head, mean over the phrase, mean over the heads."""

import importlib
from dataclasses import replace
from math import ceil, sqrt
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musar_attention import SubjectTokens, TokenLayout, affinity, phrase_weights

from .cases import PAIR, SEEDS, distance, layouts, random, random_qkv

SDPA = torch.nn.functional.scaled_dot_product_attention
module = importlib.import_module("musar_attention.affinity")  # the package has a function of this name


def written_out(q, k, layout, phrases=None):
    """In float64, one sample, head and subject after the other."""
    q, k = q[:, :, layout.X].double(), k[:, :, layout.T].double()
    batch, heads, n, depth = q.shape
    out = torch.zeros(batch, n, layout.count, dtype=torch.float64)
    for b in range(batch):
        for h in range(heads):
            attention = (q[b, h] @ k[b, h].T / sqrt(depth)).softmax(-1)
            for i, subject in enumerate(layout.subjects):
                if phrases is not None:
                    row = phrases[b % len(phrases), i].double()
                    out[b, :, i] += (attention * row).sum(-1) / heads
                elif subject.phrase:
                    out[b, :, i] += attention[:, list(subject.phrase)].mean(-1) / heads
    return out.float()


@given(layouts(), st.integers(1, 3), st.integers(1, 4), st.sampled_from([1, 2, 8, 64]), SEEDS)
def test_equals_the_equations(layout, batch, heads, depth, seed):
    q, k, _ = random_qkv(seed, layout, batch, heads, depth)
    s = affinity(q, k, layout)
    assert s.shape == (batch, layout.target_length, layout.count) and s.dtype == torch.float32
    assert distance(s, written_out(q, k, layout)) <= 1e-6


@given(layouts(), st.integers(1, 3), st.booleans(), SEEDS)
def test_equals_the_equations_for_weights_of_each_sample(layout, batch, shared, seed):
    q, k, _ = random_qkv(seed, layout, batch)
    weights = random(seed ^ 1, 1 if shared else batch, layout.count, layout.prompt)
    weights = weights.softmax(-1)  # uneven, and every row sums to 1
    s = affinity(q, k, layout, weights)
    assert distance(s, written_out(q, k, layout, weights)) <= 1e-6


@given(layouts())
def test_weights_of_the_layout_are_even_over_the_phrase(layout):
    weights = phrase_weights(layout)
    assert weights.shape == (1, layout.count, layout.prompt)
    for row, subject in zip(weights[0], layout.subjects):
        assert set(row.nonzero()[:, 0].tolist()) == set(subject.phrase)
        assert len(set(row.tolist()) - {0.0}) <= 1
        assert row.sum().item() == pytest.approx(1.0 if subject.phrase else 0.0)


def lattice(rows, columns, most):
    """Places of an even lattice of at most most × most."""
    steps = [ceil(length / most) for length in (rows, columns)]
    places = [(r, c) for r in range(rows) for c in range(columns)]
    return [
        r * columns + c for r, c in places if (r % steps[0], c % steps[1]) == (steps[0] // 2, steps[1] // 2)
    ]


def written_out_by_reference(q, k, layout, most, picture=0):
    """In float64: of what a token attends to in the prompt and in references, how much goes to each. A key
    of the lattice stands for as many as there are tokens to it. With a lattice of the picture, too."""
    batch, heads, _, depth = q.shape
    seen, whose, weight = [*range(layout.prompt)], [None] * layout.prompt, [1.0] * layout.prompt
    if picture:
        some = lattice(*layout.target, picture)
        seen += [layout.X.start + place for place in some]
        whose += [None] * len(some)
        weight += [layout.target_length / len(some)] * len(some)
    views = iter(layout.views())
    for i, subject in enumerate(layout.subjects):
        for rows, columns in subject.views:
            start, some = next(views).start, lattice(rows, columns, most)
            seen += [start + place for place in some]
            whose += [i] * len(some)
            weight += [rows * columns / len(some)] * len(some)
    weight = torch.tensor(weight, dtype=torch.float64)
    out = torch.zeros(batch, layout.target_length, layout.count, dtype=torch.float64)
    for b in range(batch):
        for h in range(heads):
            scores = q[b, h, layout.X].double() @ k[b, h, seen].double().T / sqrt(depth)
            attention = (scores + weight.log()).softmax(-1)
            for i in range(layout.count):
                own = [place for place, owner in enumerate(whose) if owner == i]
                out[b, :, i] += attention[:, own].sum(-1) / heads
    return out.float()


@given(layouts(), st.integers(1, 3), st.integers(1, 4), st.sampled_from([1, 2, 8, 64]), SEEDS)
def test_by_reference_equals_the_attention_written_out(layout, batch, heads, depth, seed):
    """References of 4 × 4 tokens at most: each token is asked."""
    q, k, _ = random_qkv(seed, layout, batch, heads, depth)
    found = affinity(q, k, layout, by="reference")
    assert found.shape == (batch, layout.target_length, layout.count) and found.dtype == torch.float32
    assert distance(found, written_out_by_reference(q, k, layout, 4)) <= 1e-6


@given(layouts(most=4, side=9), st.integers(1, 3), st.sampled_from([1, 2, 3, 4]), SEEDS)
def test_by_reference_a_lattice_is_asked(layout, batch, most, seed):
    q, k, _ = random_qkv(seed, layout, batch)
    found = affinity(q, k, layout, by="reference", lattice=most)
    assert distance(found, written_out_by_reference(q, k, layout, most)) <= 1e-6


@given(layouts(most=4, side=9), st.integers(1, 3), st.sampled_from([1, 2, 4]), SEEDS)
def test_by_attention_the_picture_counts_as_well(layout, batch, most, seed):
    q, k, _ = random_qkv(seed, layout, batch)
    for picture in (most, 16):
        found = affinity(q, k, layout, by="attention", lattice=most, picture=picture)
        assert distance(found, written_out_by_reference(q, k, layout, most, picture)) <= 1e-6


def test_by_reference_at_most_64_keys_of_each_view():
    layout = TokenLayout(
        3, (2, 2), (SubjectTokens((32, 64), (0,), 0, ((9, 8),)), SubjectTokens((16, 17), (1,)))
    )
    q, k, _ = random_qkv(3, layout)
    with patch.object(module.F, "scaled_dot_product_attention", wraps=SDPA) as attend:
        affinity(q, k, layout, by="reference")
    assert attend.call_args[0][1].shape[2] == 3 + 8 * 8 + 4 * 8 + 8 * 6


def test_by_reference_phrases_are_not_asked():
    q, k, _ = random_qkv(3, PAIR)
    silent = TokenLayout(
        PAIR.prompt, PAIR.target, tuple(replace(s, phrase=()) for s in PAIR.subjects), PAIR.extra
    )
    assert torch.equal(affinity(q, k, PAIR, by="reference"), affinity(q, k, silent, by="reference"))


@given(layouts(), SEEDS)
def test_by_reference_with_keys_kept_from_an_earlier_step(layout, seed):
    """Then no query is a reference's."""
    q, k, _ = random_qkv(seed, layout)
    short = affinity(q[:, :, : layout.X.stop], k, layout, by="reference")
    assert torch.equal(short, affinity(q, k, layout, by="reference"))


def test_by_neither():
    q, k, _ = random_qkv(3, PAIR)
    with pytest.raises(ValueError, match="Owners go by phrase, reference or attention; found 'box'"):
        affinity(q, k, PAIR, by="box")


def test_a_token_named_twice_counts_once():
    twice, once = (TokenLayout(4, (2, 2), (SubjectTokens((1, 1), p),)) for p in [(1, 2, 2), (1, 2)])
    assert torch.equal(phrase_weights(twice), phrase_weights(once))


def test_more_subjects_than_head_depth():
    layout = TokenLayout(12, (3, 3), tuple(SubjectTokens((1, 1), (i,)) for i in range(12)))
    q, k, _ = random_qkv(0, layout, batch=2, depth=4)
    s = affinity(q, k, layout)
    assert distance(s, written_out(q, k, layout)) <= 1e-6
    assert distance(s.sum(-1), torch.ones(2, 9)) <= 1e-6  # the phrases are the whole prompt


def test_without_subjects():
    layout = TokenLayout(3, (2, 2))
    q, k, _ = random_qkv(1, layout, batch=2)
    s = affinity(q, k, layout)
    assert s.shape == (2, 4, 0) and s.dtype == torch.float32


def test_only_the_prompt_and_the_target_count():
    q, k, _ = random_qkv(2, PAIR)
    s = affinity(q, k, PAIR)
    q[:, :, : PAIR.X.start], q[:, :, PAIR.X.stop :] = 9.0, 9.0
    k[:, :, PAIR.T.stop :] = 9.0
    assert torch.equal(affinity(q, k, PAIR), s)


def test_no_gradients():
    q, k, _ = (t.requires_grad_() for t in random_qkv(3, PAIR))
    assert not affinity(q, k, PAIR).requires_grad


@pytest.mark.parametrize("limit", [1, 100, 2 * 3 * PAIR.prompt, 2 * 3 * PAIR.prompt * 4])
def test_chunks_are_small_and_change_nothing(limit, monkeypatch):
    q, k, _ = random_qkv(4, PAIR, batch=2, heads=3)
    whole = affinity(q, k, PAIR)
    made, places, attend = [], [], module.F.scaled_dot_product_attention

    def watched(q, k, v):
        made.append(q.shape[:3].numel() * k.shape[2])
        places.append(q.shape[2])
        return attend(q, k, v)

    monkeypatch.setattr(module, "SCORES", limit)
    monkeypatch.setattr(module.F, "scaled_dot_product_attention", watched)
    assert distance(affinity(q, k, PAIR), whole) <= 1e-7
    row = 2 * 3 * PAIR.prompt  # scores of one target token: it cannot be split
    assert max(made) <= max(limit, row) and sum(made) == row * PAIR.target_length
    assert len(made) > 1 and max(places) - min(places) < len(places)  # none is a rest of one
