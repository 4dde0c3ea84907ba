"""Batches of similar length."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.data.batches import PASS_TOKENS, length_sorted_batches, pad


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(1, 40), max_size=60), max_tokens=st.integers(1, 100))
def test_batches_hold_every_row_once_within_the_limit_longest_first(lengths, max_tokens):
    batches = length_sorted_batches(lengths, max_tokens)
    rows = [int(row) for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= max_tokens


def test_a_batch_is_filled_as_far_as_the_limit_allows():
    assert [batch.tolist() for batch in length_sorted_batches([3, 3, 3, 1, 1, 1], 6)] == [[0, 1], [2, 3], [4, 5]]


def test_a_row_over_the_limit_stands_alone():
    assert [batch.tolist() for batch in length_sorted_batches([9, 2], 4)] == [[0], [1]]


def test_no_batch_holds_more_padding_than_another_pass_would_cost():
    lengths = np.random.default_rng(0).integers(1, 200, size=300)
    batches = length_sorted_batches(lengths, 10**6)
    paddings = [int((lengths[batch].max() - lengths[batch]).sum()) for batch in batches]
    assert max(paddings) <= PASS_TOKENS
    for batch, following in itertools.pairwise(batches):  # and none is closed before it must be
        joined = lengths[[*batch, following[0]]]
        assert (joined.max() - joined).sum() > PASS_TOKENS


def test_no_rows_make_no_batches():
    assert length_sorted_batches([], 4) == []


@pytest.mark.parametrize(("lengths", "max_tokens"), [([0, 1], 4), ([1], 0)])
def test_empty_rows_and_empty_batches_are_refused(lengths, max_tokens):
    with pytest.raises(ValueError, match="must be at least 1"):
        length_sorted_batches(lengths, max_tokens)


def test_padding_stands_on_the_right_and_is_masked():
    padded = pad([[1, 2, 3], [4], []], fill=9)
    np.testing.assert_array_equal(padded.ids_BL, [[1, 2, 3], [4, 9, 9], [9, 9, 9]])
    np.testing.assert_array_equal(padded.mask_BL, [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    assert padded.ids_BL.dtype == np.int64


def test_a_token_equal_to_the_fill_is_a_token():
    assert pad([[0, 0]], fill=0).mask_BL.all()


def test_no_sequences_pad_to_nothing():
    assert pad([]).ids_BL.shape == (0, 0)
