import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from farsighted.sets import farthest, greedy
from farsighted.sets.greedy import farthest_first
from oracles import farthest_loops as loops

NOTHING = np.empty((0, 0))


@pytest.fixture(autouse=True)
def lazy(monkeypatch):
    """Every traversal is lazy, in sets of a few points."""
    monkeypatch.setattr(greedy, "_MANY", 0)
    monkeypatch.setattr(farthest, "_POOL", 12)
    monkeypatch.setattr(farthest, "_SMALL", 5)
    monkeypatch.setattr(farthest, "_FEW", 2)
    monkeypatch.setattr(farthest, "BLOCK_CELLS", 30)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def rows(kind, count=90, width=6, seed=0):
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(count, width))
    return {
        "random": normal,
        "unit": unit(normal),
        "clusters": unit(0.1 * normal + rng.normal(size=(5, width))[rng.integers(5, size=count)]),
        "lattice": rng.integers(-1, 2, size=(count, width)).astype(float),
        "copies": normal[rng.integers(count // 4, size=count)],
        "mirrored": np.concatenate([normal[: count // 2], -normal[: count // 2]]),
        "far from the origin": normal + 1000.0,
        "tiny": normal * 1e-20,
        "one place": np.ones((count, width)),
    }[kind]


KINDS = ["random", "unit", "clusters", "lattice", "copies", "mirrored", "far from the origin", "tiny", "one place"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("history", [0, 1, 40])
def test_the_lazy_traversal_is_that_of_the_plain_loop(kind, history):
    points, before = rows(kind), rows("unit", 40, seed=1)[:history]
    found = farthest_first(points, before)
    order, distance = loops.farthest_first(points, before, len(points))
    assert found.order.tolist() == order
    longest = np.sqrt(max(np.square(points.astype(float)).sum(1).max(), float(history > 0)))
    np.testing.assert_allclose(found.distance_at_pick[order], distance, rtol=1e-9, atol=1e-6 * longest)


@settings(max_examples=60)
@given(arrays(np.float32, st.tuples(st.integers(1, 25), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)))
def test_ties_go_to_the_smaller_row(points):
    order, _ = loops.farthest_first(points, NOTHING, len(points))
    assert farthest_first(points, NOTHING).order.tolist() == order


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("picks", [1, 2, 33, 90, 200])
def test_fewer_picks_are_the_first_of_more(kind, picks):
    points = rows(kind)
    found, whole = farthest_first(points, NOTHING, picks), farthest_first(points, NOTHING)
    assert found.order.tolist() == whole.order[:picks].tolist()
    assert np.isnan(found.distance_at_pick).sum() == max(0, len(points) - picks)


def test_points_with_a_history_on_them_come_last_by_row():
    points = rows("random", 12)
    found = farthest_first(points, points[[7, 2, 9]])
    assert found.order[-3:].tolist() == [2, 7, 9]
    assert found.distance_at_pick[[2, 7, 9]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_distances_never_increase_along_the_order(kind):
    found = farthest_first(rows(kind), NOTHING)
    assert np.all(np.diff(found.distance_at_pick[found.order]) <= 0)


def test_the_points_are_neither_changed_nor_copied_many_times(monkeypatch):
    for name, value in (("_POOL", 4096), ("_SMALL", 256), ("BLOCK_CELLS", 1 << 20)):
        monkeypatch.setattr(farthest, name, value)
    points = unit(np.random.default_rng(0).normal(size=(40_000, 64)))
    before = points.copy()
    tracemalloc.start()
    farthest_first(points, NOTHING, 400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A few blocks of 8 MiB in float64, and numbers a point; distances of all to all would take 60 MiB.
    assert peak < 40 * 2**20
    assert np.array_equal(points, before)
