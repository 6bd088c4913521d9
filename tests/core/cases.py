"""Random layouts, owners and q, k, v; and attention along the dense mask, the slow twin."""

import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from musar_attention import SubjectTokens, TokenLayout, routing_mask

SEEDS = st.integers(0, 2**32 - 1)

# Two subjects of different sizes, one with a condition prompt, and a token that belongs to nobody.
PAIR = TokenLayout(
    prompt=3,
    target=(2, 3),
    subjects=(SubjectTokens((2, 1), phrase=(0,), text=2), SubjectTokens((1, 3), phrase=(1, 2))),
    extra=1,
)
PAIR_OWNER = torch.tensor([[0, 1, -1, 1, 1, 0]])


def random(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_qkv(seed, layout, batch=1, heads=2, depth=8, dtype=torch.float32):
    return random(seed, 3, batch, heads, layout.length, depth, dtype=dtype).unbind()


@st.composite
def layouts(draw, most=16, side=4):
    """1 … most subjects, with and without condition prompts, further views, held phrases and extra tokens."""
    prompt = draw(st.integers(1, 12))
    phrase = st.lists(st.integers(0, prompt - 1), unique=True, max_size=3).map(tuple)
    area = st.tuples(st.integers(1, side), st.integers(1, side))
    more = st.just(()) | st.lists(area, max_size=2).map(tuple)
    text, held = st.integers(0, side), st.booleans()
    subject = st.builds(SubjectTokens, image=area, phrase=phrase, text=text, more=more, held=held)
    count = draw(st.integers(1, most))  # a size of its own: lists alone stay short
    subjects = tuple(draw(subject) for _ in range(count))
    return TokenLayout(prompt, draw(area), subjects, extra=draw(st.integers(0, side)))


@st.composite
def owners(draw, layout, batch):
    """Owners [B,n] out of some of −1 … c−1, so that whole subjects may go without a token."""
    pool = draw(st.lists(st.integers(-1, layout.count - 1), min_size=1, unique=True))
    random = torch.Generator().manual_seed(draw(SEEDS))
    return torch.tensor(pool)[torch.randint(len(pool), (batch, layout.target_length), generator=random)]


@st.composite
def routes(draw, most=16, side=4, owned=(True, True, False), static=(True, False)):
    """Layout, batch, owner, static."""
    layout, batch = draw(layouts(most, side)), draw(st.integers(1, 3))
    owner = draw(owners(layout, batch)) if draw(st.sampled_from(owned)) else None
    return layout, batch, owner, draw(st.sampled_from(static))


def dense(q, k, v, layout, owner=None, static=True, mask=None, silent=()):
    allowed = routing_mask(layout, owner, static, silent)[:, None]  # B|1 1 L L
    bias = torch.zeros(allowed.shape, dtype=q.dtype).masked_fill(~allowed, float("-inf"))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias if mask is None else bias + mask)


def distance(a, b):
    assert a.shape == b.shape
    return (a - b).abs().max().item()
