import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farsighted.files.sampling import BottomSample


def sample(places, size, seed=0):
    found = BottomSample(size, seed)
    for place in places:
        found.add(place, place)
    return found.items()


PLACES = [f"file:{n}" for n in range(200)]


@given(st.permutations(PLACES[:30]), st.integers(1, 40))
def test_a_sample_does_not_depend_on_the_order_of_reading(order, size):
    assert set(sample(order, size)) == set(sample(PLACES[:30], size))


def test_a_sample_keeps_the_order_of_reading_and_holds_every_smaller_one():
    large, small = sample(PLACES, 50), sample(PLACES, 20)
    assert large == [place for place in PLACES if place in set(large)]
    assert set(small) < set(large)


def test_of_fewer_items_all_are_kept():
    assert sample(PLACES[:5], 9) == PLACES[:5]


def test_every_item_is_as_likely_as_any_other():
    counts = np.zeros(20)
    for seed in range(2000):
        for place in sample(PLACES[:20], 5, seed):
            counts[PLACES.index(place)] += 1
    # Binomial(2000, 1/4) has mean 500 and standard deviation 19.4.
    assert np.abs(counts - 500).max() < 5 * 19.4


def test_never_more_is_held_than_asked_for():
    found = BottomSample(3, 0)
    left_out = [found.add(place, place) for place in PLACES]
    assert sum(item is None for item in left_out) == 3
    assert len(found.items()) == 3
    assert found.seen == 200
