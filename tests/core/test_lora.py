"""The gated LoRA against a slow oracle: token by token, each with its own branch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from musar_attention import LowRank, SubjectTokens, TokenLayout, add_dual_lora, branch_rows


def kinds(layout, stream):
    """The branch of each token that the stream sees, by the table."""
    whole = [None] * layout.length
    for i in range(layout.X.start, layout.X.stop):
        whole[i] = "noise"
    for k in range(layout.count):
        for part in (layout.CT(k), layout.CI(k)):
            whole[part] = ["subject"] * (part.stop - part.start)
    return {"text": whole[: layout.X.start], "image": whole[layout.X.start :], "joint": whole}[stream]


layouts = st.builds(
    TokenLayout,
    prompt=st.integers(1, 6),
    target=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    subjects=st.lists(
        st.builds(
            SubjectTokens,
            image=st.tuples(st.integers(1, 3), st.integers(1, 3)),
            phrase=st.just((0,)),
            text=st.integers(0, 3),
        ),
        max_size=4,
    ).map(tuple),
    extra=st.integers(0, 3),
)


@given(layouts, st.sampled_from(("text", "image", "joint")))
def test_rows(layout, stream):
    rows = branch_rows(layout, stream)
    for branch in ("subject", "noise"):
        marked = [i for part in rows[branch] for i in range(part.start, part.stop)]
        assert marked == [i for i, kind in enumerate(kinds(layout, stream)) if kind == branch]


@given(layouts, st.sampled_from(("text", "image", "joint")), st.integers(0, 99))
def test_against_a_loop_over_tokens(layout, stream, seed):
    torch.manual_seed(seed)
    length, inputs, outputs = len(kinds(layout, stream)), 5, 7
    x, y = torch.randn(2, length, inputs), torch.randn(2, length, outputs)
    branches, expected = {"subject": [], "noise": []}, y.clone()
    for branch in branches:
        for columns in (None, slice(2, 5)):
            width = outputs if columns is None else 3
            down, up, scale = torch.randn(3, inputs), torch.randn(width, 3), float(torch.randn(()))
            branches[branch].append(
                LowRank(lambda t, w=down: linear(t, w), lambda t, w=up: linear(t, w), scale, columns)
            )
            for i, kind in enumerate(kinds(layout, stream)):
                if kind == branch:
                    expected[:, i, columns or slice(None)] += scale * x[:, i] @ down.T @ up.T
    out = add_dual_lora(y, x, layout, stream, branches)
    assert out is y and (out - expected).abs().max() <= 1e-4


def test_gradients_reach_both_factors_and_only_their_tokens():
    layout = TokenLayout(2, (1, 2), (SubjectTokens((1, 2), (0,), 1),))
    down, up = (torch.nn.Linear(4, 2, bias=False), torch.nn.Linear(2, 4, bias=False))
    x = torch.randn(1, layout.length, 4, requires_grad=True)
    y = torch.nn.Linear(4, 4)(x)
    add_dual_lora(y, x, layout, "joint", {"subject": [LowRank(down, up, 1.0)]})[:, layout.X].sum().backward()
    assert down.weight.grad is None or not down.weight.grad.any()
    y = torch.nn.Linear(4, 4)(x)
    add_dual_lora(y, x, layout, "joint", {"subject": [LowRank(down, up, 1.0)]}).sum().backward()
    assert down.weight.grad.any() and up.weight.grad.any()


@pytest.mark.parametrize("scales, calls", (((0.5, 0.5), 1), ((0.5, 0.25), 3)))
def test_a_pair_of_both_branches_is_asked_once(scales, calls):
    """A LoRA for all tokens as both: the rows of a single block's lie side by side."""
    layout = TokenLayout(3, (2, 2), (SubjectTokens((2, 1), (1,), 2),), 2)
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 2, generator=g), torch.randn(2, 5, generator=g)
    x, y = (torch.randn(2, layout.length, n, generator=g) for n in (4, 5))
    asked = []

    def down(t):
        asked.append(t.shape[1])
        return t @ a

    def up(t):
        return t @ b

    branches = {n: [LowRank(down, up, s)] for n, s in zip(("subject", "noise"), scales)}
    out = add_dual_lora(y.clone(), x, layout, "joint", branches)
    right = y.clone()
    for (_, rows), scale in zip(branch_rows(layout, "joint").items(), scales):
        for part in rows:
            right[:, part] += scale * (x[:, part] @ a @ b)
    assert len(asked) == calls and sum(asked) == layout.length - 3 - 2
    assert (out - right).abs().max() < 1e-5


def test_scale_zero_asks_for_nothing():
    def fail(_):
        raise AssertionError("asked")

    layout = TokenLayout(1, (1, 1), (SubjectTokens((1, 1), (0,)),))
    y = torch.zeros(1, layout.length, 3)
    add_dual_lora(y, y.clone(), layout, "joint", {"subject": [LowRank(fail, fail, 0.0)]})


def test_unknown_stream():
    with pytest.raises(ValueError, match="stream is one of text, image, joint; found 'video'"):
        branch_rows(TokenLayout(1, (1, 1)), "video")
