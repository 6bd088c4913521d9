"""routing_mask against the table of design.md, token by token."""

import pytest
import torch
from hypothesis import given

from musar_attention import SubjectTokens, TokenLayout, routing_mask

from .cases import PAIR, PAIR_OWNER, routes


def labels(layout):
    """What each token is: (kind, subject), or (kind, place) for T and X."""
    tokens = [("T", place) for place in range(layout.prompt)]
    for i, subject in enumerate(layout.subjects):
        tokens += [("C", i)] * subject.text
    tokens += [("X", place) for place in range(layout.target[0] * layout.target[1])]
    for i, subject in enumerate(layout.subjects):
        tokens += [("C", i)] * sum(h * w for h, w in subject.views)
    return tokens + [("extra", None)] * layout.extra


def may_read(layout, word, owner):
    """A word of nobody's phrase, of one that is not held, or of the owner's own."""
    naming = [i for i, subject in enumerate(layout.subjects) if word in subject.phrase]
    return owner in naming or not any(layout.subjects[i].held for i in naming)


def may_attend(layout, query, key, owner, static):
    (kind, index), (seen, of) = query, key
    if kind == "X":
        if owner is None or seen not in "CT":
            return True
        return owner[index] == of if seen == "C" else may_read(layout, of, owner[index])
    if not static:
        return True
    if kind == "C":
        return seen == "X" or key == query
    return seen != "C"


def by_the_table(layout, owner, static):
    tokens = labels(layout)
    samples = [None] if owner is None else owner.tolist()
    return [[[may_attend(layout, q, k, o, static) for k in tokens] for q in tokens] for o in samples]


@given(routes(side=2))
def test_equals_the_table(route):
    layout, _, owner, static = route
    mask = routing_mask(layout, owner, static)
    assert mask.dtype == torch.bool
    assert mask.tolist() == by_the_table(layout, owner, static)


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("label", [-1, 0, 1])
def test_one_owner_for_every_token(label, static):
    owner = torch.full((2, PAIR.target_length), label)
    assert routing_mask(PAIR, owner, static).tolist() == by_the_table(PAIR, owner, static)


@pytest.mark.parametrize("static", [True, False])
def test_samples_have_owners_of_their_own(static):
    owner = torch.cat([PAIR_OWNER, PAIR_OWNER.flip(1)])
    mask = routing_mask(PAIR, owner, static)
    assert mask.tolist() == by_the_table(PAIR, owner, static)
    assert not torch.equal(mask[0], mask[1])


def test_held_words():
    """Two phrases share a word, and one of them is held: it is the other's word, too."""
    held, free = SubjectTokens((1, 1), (0, 1), held=True), SubjectTokens((1, 1), (1, 2))
    layout = TokenLayout(4, (1, 3), (held, free))
    mask = routing_mask(layout, torch.tensor([[0, 1, -1]]))[0]
    assert mask[layout.X, layout.T].int().tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert mask[layout.T, layout.T].all()


@pytest.mark.parametrize("static", [True, False])
def test_nothing_is_held_where_nothing_is_said(static):
    layout = TokenLayout(3, (1, 2), (SubjectTokens((1, 1), (0, 2), held=True),))
    mask = routing_mask(layout, torch.full((2, 2), -1), static, silent=[True, False])
    assert mask[:, layout.X, layout.T].int().tolist() == [[[1, 1, 1]] * 2, [[0, 1, 0]] * 2]


def test_both_off_is_everything():
    assert routing_mask(PAIR, None, static=False).all()


def test_without_subjects_everything_sees_everything():
    assert routing_mask(TokenLayout(2, (2, 2), extra=3)).all()


PICTURE = """
       T  CT1 X X X CI1 CI2 CI2 E
T      x  .   x x x .   .   .   x
CT1    .  x   x x x x   .   .   .
X→1    x  x   x x x x   .   .   x
X→2    x  .   x x x .   x   x   x
X→–    x  .   x x x .   .   .   x
CI1    .  x   x x x x   .   .   .
CI2    .  .   x x x .   x   x   .
CI2    .  .   x x x .   x   x   .
E      x  .   x x x .   .   .   x
"""


def test_looks_like_this():
    layout = TokenLayout(1, (1, 3), (SubjectTokens((1, 1), (0,), 1), SubjectTokens((1, 2), (0,))), extra=1)
    mask = routing_mask(layout, torch.tensor([[0, 1, -1]]))
    drawn = [line.split()[1:] for line in PICTURE.strip().splitlines()[1:]]
    assert [["x" if ok else "." for ok in row] for row in mask[0].tolist()] == drawn
