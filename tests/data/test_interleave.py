import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import ConfigError
from farsighted.core.values import Example
from farsighted.data.interleave import interleaved


def pools(*sizes):
    return [tuple(Example(f"{stage}-{n}", "p", "r") for n in range(size)) for stage, size in enumerate(sizes)]


def shared(a, b):
    return len({example.id for example in a} & {example.id for example in b})


@settings(max_examples=60)
@given(st.lists(st.integers(8, 40), min_size=1, max_size=5), st.sampled_from([0, 0.1, 0.25, 0.5]), st.integers(0, 9))
def test_neighbours_share_their_fraction_and_sizes_stay(sizes, overlap, seed):
    before = pools(*sizes)
    try:
        after = interleaved(before, overlap, seed)
    except ConfigError:
        # Only a pool between much larger ones can be too small.
        assert overlap == 0.5
        return
    assert [len(pool) for pool in after] == sizes
    for stage, (pool, following) in enumerate(itertools.pairwise(after)):
        assert shared(pool, following) == 2 * round(overlap * min(sizes[stage], sizes[stage + 1]) / 2)
    for pool, beyond in zip(after, after[2:], strict=False):
        assert shared(pool, beyond) == 0
    assert all(len({example.id for example in pool}) == len(pool) for pool in after)
    assert after == interleaved(before, overlap, seed)


def test_ids_stay_distinct_where_every_stage_has_a_file_of_the_same_name():
    before = [tuple(Example(f"train:{n}", f"{stage}", f"{n}") for n in range(12)) for stage in range(3)]
    after = interleaved(before, 0.5, 0)
    named_apart = interleaved(pools(12, 12, 12), 0.5, 0)
    for pool, other in zip(after, named_apart, strict=True):
        assert len({example.id for example in pool}) == len(pool) == 12
        assert [f"{example.prompt}-{example.response}" for example in pool] == [example.id for example in other]
    renamed = [example for pool in after for example in pool if "(stage" in example.id]
    assert renamed
    assert all(e.id == f"train:{e.response} (stage {int(e.prompt) + 1})" for e in renamed)


def test_no_overlap_changes_nothing():
    assert interleaved(pools(5, 6), 0.0, 3) == pools(5, 6)


def test_a_pool_that_cannot_lend_and_take_enough_is_refused():
    with pytest.raises(ConfigError, match=r"`data.overlap: 0.5` needs pools that can lend and take"):
        interleaved(pools(3, 3, 3), 0.5, 0)
