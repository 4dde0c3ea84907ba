import numpy as np
import pytest

from farsighted.sets import geometry
from oracles import selector_loops as loops


def rows(seed, count, width):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_mean_distance_equals_the_loop_over_pairs():
    points, memory = rows(0, 9, 5), rows(1, 4, 5)
    expected = [loops.mean_distance(point, memory) for point in points]
    np.testing.assert_allclose(geometry.mean_distance(points, memory), expected, rtol=1e-12)


def test_nearest_distance_equals_the_loop_over_pairs():
    points, history = rows(0, 9, 5), rows(1, 4, 5)
    expected = [min(loops.distance(point, other) for other in history) for point in points]
    np.testing.assert_allclose(np.sqrt(geometry.nearest_squared_distance(points, history)), expected, rtol=1e-12)


def test_blocks_do_not_change_distances(monkeypatch):
    points, memory = rows(0, 9, 5), rows(1, 4, 5)
    whole = geometry.mean_distance(points, memory)
    monkeypatch.setattr(geometry, "_BLOCK_CELLS", 8)  # two rows a block
    np.testing.assert_allclose(geometry.mean_distance(points, memory), whole, rtol=1e-14)


def test_an_equal_row_is_at_distance_zero_whatever_its_length():
    points = rows(0, 6, 50) * 1e4
    assert geometry.nearest_squared_distance(points, points[::-1]).tolist() == [0.0] * 6
    norms = geometry.squared_norms(points.astype(np.float64))
    assert geometry.squared_distances_to(points.astype(np.float64), norms, 3)[3] == 0.0


def test_a_close_row_is_not_taken_for_an_equal_one():
    point = np.ones((1, 4))
    assert geometry.nearest_squared_distance(point, point + 1e-5)[0] == pytest.approx(4e-10, rel=1e-3)


def test_mean_distance_to_nothing_is_zero():
    assert geometry.mean_distance(rows(0, 3, 2), np.empty((0, 0))).tolist() == [0.0, 0.0, 0.0]


def test_cosines_equal_the_loop_and_vanish_with_the_vector():
    points, vector = rows(0, 5, 3), rows(1, 1, 3)[0]
    np.testing.assert_allclose(geometry.cosines(points, vector), [loops.cosine(p, vector) for p in points], rtol=1e-9)
    assert geometry.cosines(points, np.zeros(3)).tolist() == [0.0] * 5


def test_appending_to_nothing_takes_the_width_of_the_rows_and_copies_them():
    new = rows(0, 2, 3)
    history = geometry.appended(np.empty((0, 0), dtype=np.float32), new)
    assert history.shape == (2, 3)
    assert not np.shares_memory(history, new)
    np.testing.assert_array_equal(geometry.appended(history, new), np.vstack([new, new]))
