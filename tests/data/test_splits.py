"""Subsamples and held-out parts."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.core.rng import stream
from farsighted.core.values import Example
from farsighted.data.leaks import leak_key
from farsighted.data.splits import hold_out, subsample

EXAMPLES = tuple(Example(str(n), f"prompt {n}", "r") for n in range(40))


def rng(seed=0):
    return stream(seed, "data")


def test_a_subsample_keeps_file_order_and_is_the_same_again():
    found = subsample(EXAMPLES, 10, rng())
    rows = [int(example.id) for example in found]
    assert rows == sorted(set(rows))
    assert len(rows) == 10
    assert found == subsample(EXAMPLES, 10, rng())
    assert found != subsample(EXAMPLES, 10, rng(1))


def test_a_smaller_subsample_is_part_of_a_larger_one():
    assert set(subsample(EXAMPLES, 10, rng())) < set(subsample(EXAMPLES, 20, rng()))


@pytest.mark.parametrize("most", [None, 40, 99])
def test_nothing_is_left_out_where_everything_fits(most):
    assert subsample(EXAMPLES, most, rng()) == EXAMPLES


def test_every_example_is_drawn_equally_often():
    counts = np.zeros(40)
    for seed in range(400):
        counts[[int(example.id) for example in subsample(EXAMPLES, 10, rng(seed))]] += 1
    # 400 draws at probability 1/4: mean 100, standard deviation below 9; five of them leave no false alarm.
    assert np.abs(counts - 100).max() < 45


@settings(max_examples=60)
@given(prompts=st.lists(st.integers(0, 12), min_size=2, max_size=30), count=st.integers(0, 6), seed=st.integers(0, 99))
def test_both_sides_of_a_split_share_no_prompt_and_lose_only_repeats(prompts, count, seed):
    examples = [Example(str(row), f"Prompt {prompt}", "r") for row, prompt in enumerate(prompts)]
    if count >= len(set(prompts)) and count > 0:
        with pytest.raises(DataError, match="must leave something to train on"):
            hold_out(examples, count, rng(seed), "It")
        return
    split = hold_out(examples, count, rng(seed), "It")
    assert len(split.held) == count
    assert len(split.held) + len(split.rest) + split.repeats == len(examples)
    assert not {leak_key(example) for example in split.held} & {leak_key(example) for example in split.rest}
    for part in (split.held, split.rest):
        assert all(int(one.id) < int(two.id) for one, two in itertools.pairwise(part))


def test_a_repeat_with_a_system_turn_is_on_neither_side():
    plain = [Example(str(n), f"q{n}", "a") for n in range(4)]
    turned = [
        Example(f"s{n}", f"system: s\nuser: q{n}", "a", turns=(("system", "s"), ("user", f"q{n}"))) for n in range(4)
    ]
    split = hold_out([*plain, *turned], 2, np.random.default_rng(0), "x")
    asked = {example.prompt.removeprefix("system: s\nuser: ") for example in split.held}
    assert split.rest
    assert not asked & {example.prompt.removeprefix("system: s\nuser: ") for example in split.rest}
