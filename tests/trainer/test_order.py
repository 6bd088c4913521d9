"""Which rows make which example."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.mix import BLOCK, Mix
from training.data.order import Order, near_shuffle
from training.data.pairing import most_pairs, pair_up

from .made import Made

KINDS = ["cat"] * 7 + ["dog"] * 6 + ["owl"] * 1


def epoch(order, mode, number=0):
    length = order.lengths[mode]
    return [order.draw(mode, number * length + i).rows for i in range(length)]


def test_single_rows_come_once_an_epoch_and_epochs_differ():
    order = Order(Made(KINDS), {"single": 1}, seed=0)
    first, second = epoch(order, "single"), epoch(order, "single", 1)
    assert sorted(first) == sorted(second) == [(row,) for row in range(14)]
    assert first != second


def test_random_diptychs_use_no_row_twice_in_an_epoch():
    order = Order(Made(KINDS), {"random": 1}, seed=0)
    pairs = epoch(order, "random")
    assert len(pairs) == 7 and sorted(row for pair in pairs for row in pair) == list(range(14))
    assert {frozenset(pair) for pair in pairs} != {frozenset(pair) for pair in epoch(order, "random", 1)}


def test_same_kind_diptychs_are_of_one_kind_and_use_no_row_twice():
    order = Order(Made(KINDS), {"same": 1}, seed=0)
    for number in range(4):
        pairs = epoch(order, "same", number)
        rows = [row for pair in pairs for row in pair]
        assert len(pairs) == 3 + 3 and len(set(rows)) == len(rows)
        assert all(KINDS[a] == KINDS[b] for a, b in pairs)
    left_out = {
        frozenset(range(7)) - {row for pair in epoch(order, "same", n) for row in pair} for n in range(20)
    }
    assert len(left_out) > 1, "it is always the same cat that is left over"


def test_kinds_come_in_no_order():
    order = Order(Made(["cat"] * 40 + ["dog"] * 40), {"same": 1}, seed=0)
    kinds = [order.draw("same", i).rows[0] < 40 for i in range(40)]
    assert 10 < sum(a != b for a, b in zip(kinds, kinds[1:])) < 30


def test_one_category_makes_same_kind_diptychs():
    assert len(epoch(Order(Made(["cat"] * 5), {"same": 1}, seed=0), "same")) == 2


def test_kinds_of_one_subject_each_are_a_sentence():
    source = Made(["cat", "dog", "owl"])
    with pytest.raises(
        ValueError,
        match=r"made: diptychs of one kind need two subjects of one kind, and no kind has two: found 3 "
        r"rows of 3 kinds \(cat, dog, owl\). Add data, or leave 'same' out of the mix.",
    ):
        Order(source, {"same": 0.5, "single": 0.5}, seed=0)
    assert Order(source, {"single": 1}, seed=0).lengths == {"single": 3}
    twice = Made(["cat", "cat"], subjects=["Tom", "Tom"])
    with pytest.raises(ValueError, match="no kind has two: found 2 rows of 1 kinds"):
        Order(twice, {"same": 1}, seed=0)
    with pytest.raises(ValueError, match="'random' needs two subjects; found 2 rows of 1 subjects"):
        Order(twice, {"random": 1}, seed=0)


SUBJECTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=24)


@given(SUBJECTS, st.randoms(use_true_random=False))
def test_as_many_pairs_as_there_can_be_whatever_the_order(data, random):
    kinds, subjects = [kind for kind, _ in data], [f"{kind}{subject}" for kind, subject in data]
    rows = list(range(len(data)))
    random.shuffle(rows)
    pairs = pair_up(rows, kinds, subjects)
    assert pairs.shape == (most_pairs(kinds, subjects), 2)
    assert len(set(pairs.ravel().tolist())) == pairs.size
    for a, b in pairs.tolist():
        assert kinds[a] == kinds[b] and subjects[a] != subjects[b]


@given(st.lists(st.integers(0, 3), max_size=9))
def test_no_pairing_has_more_pairs(subjects):
    def best(rows):
        if len(rows) < 2:
            return 0
        first, rest = rows[0], rows[1:]
        partners = {subjects[row]: row for row in rest if subjects[row] != subjects[first]}
        return max([best(rest), *(1 + best([r for r in rest if r != p]) for p in partners.values())])

    assert most_pairs([0] * len(subjects), subjects) == best(list(range(len(subjects))))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 5000), min_size=1, max_size=20))
def test_an_example_is_a_function_of_the_seed_and_its_number(seed, numbers):
    mix = {"random": 0.8, "single": 0.2}
    order = Order(Made(KINDS), mix, seed)
    asked = [order[number] for number in numbers]
    fresh = [Order(Made(KINDS), mix, seed)[number] for number in reversed(numbers)]
    assert asked == fresh[::-1]


def test_seeds_differ():
    orders = [Order(Made(range(50)), {"single": 1}, seed) for seed in (0, 1)]
    assert epoch(orders[0], "single") != epoch(orders[1], "single")


def test_a_mix_goes_through_each_modes_examples_without_a_gap():
    order = Order(Made(KINDS), {"random": 0.5, "single": 0.3, "same": 0.2}, seed=5)
    seen = {mode: [] for mode in order.lengths}
    for number in range(2500):
        draw = order[number]
        seen[draw.mode].append(draw.index)
        assert draw == order.draw(draw.mode, draw.index)
    assert all(indices == list(range(len(indices))) for indices in seen.values())


SHARES = st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 10), min_size=1)


@settings(max_examples=30, deadline=None)
@given(SHARES, st.integers(0, 99), st.integers(1, 8))
def test_every_mix_is_met_to_one_in_a_thousand(shares, seed, together):
    mix = Mix(shares, seed, together)
    places = [mix.place(number) for number in range(BLOCK * together)]
    counts = Counter(mode for mode, _ in places)
    for mode, share in shares.items():
        assert abs(counts[mode] / len(places) - share / sum(shares.values())) < 1.001 / BLOCK
        assert [index for m, index in places if m == mode] == list(range(counts[mode]))
    for i in range(0, len(places), together):
        assert len({mode for mode, _ in places[i : i + together]}) == 1
    after = mix.place(BLOCK * together)
    assert after[1] == counts[after[0]]


def test_a_mix_is_shuffled():
    mix = Mix({"random": 0.8, "single": 0.2}, seed=0)
    modes = [mix.place(number)[0] for number in range(2 * BLOCK)]
    assert modes[:BLOCK] != modes[BLOCK:]
    tens = [modes[i : i + 10].count("single") for i in range(0, BLOCK, 10)]
    assert 0 in tens and max(tens) < 9


@pytest.mark.parametrize(
    "mix, together, says",
    [
        ({}, 1, "The mix of modes is {}"),
        ({"single": 0}, 1, "give each a share of 0 or more, one above 0"),
        ({"single": -1, "random": 2}, 1, "give each a share of 0 or more"),
        ({"single": float("nan")}, 1, "give each a share"),
        ({"single": float("inf")}, 1, "give each a share"),
        ({"single": 1, "random": 1e-6}, 1, "gives 'random' less than one example in 1000"),
        ({"tripytch": 1}, 1, "There is no mode 'tripytch' to make examples by: take of single, random, same"),
        ({"single": 1}, 0, "by 1 or more, not by 0"),
    ],
)
def test_a_mix_that_cannot_be_is_a_sentence(mix, together, says):
    with pytest.raises(ValueError, match=says):
        Order(Made(KINDS), mix, seed=0, together=together)


def test_numbers_and_seeds_below_zero_are_sentences():
    with pytest.raises(IndexError, match="numbered from 0; found -1"):
        Order(Made(KINDS), {"single": 1}, seed=0)[-1]
    with pytest.raises(ValueError, match="a seed from 0 and a window from 1; found -2 and 4"):
        Order(Made(KINDS), {"single": 1}, seed=-2)


def test_rows_that_lie_together_are_read_together():
    groups = [range(10 * i, 10 * i + 10) for i in range(30)]
    rows = near_shuffle(np.random.default_rng(0), [np.asarray(g) for g in groups], window=3)
    assert sorted(rows.tolist()) == list(range(300))
    windows = [{row // 10 for row in rows[i : i + 30].tolist()} for i in range(0, 300, 30)]
    assert all(len(window) == 3 for window in windows)
    assert len({row // 10 for row in rows[:10].tolist()}) > 1, "groups are not mixed"
    assert set.union(*windows[:2]) != set(range(6)), "groups come in the disk's order"
    order = Order(Made(range(300), groups=groups), {"random": 1}, seed=0, window=3)
    for first in range(0, 150, 15):
        assert len({row // 10 for i in range(first, first + 15) for row in order.draw("random", i).rows}) == 3
