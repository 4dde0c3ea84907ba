import numpy as np
import pytest

from farsighted.selectors.base import Clusters
from farsighted.selectors.lhas_terms import Concentration, Coverage, NoTerm
from farsighted.sets.history import Directions, with_gradients
from oracles import selector_loops as loops

COUNT, WIDTH, CLUSTERS, READ = 9, 4, 3, 2
PICKS = [4, 0, 7]
LIKELY = np.zeros(COUNT)


def points(seed, count=COUNT):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


@pytest.mark.parametrize("history", [0, 5])
def test_coverage_is_the_rank_of_the_distance_to_the_nearest_of_history_and_picks(history):
    candidates, known = points(0), list(points(1, history))
    coverage = Coverage(candidates, np.array(known).reshape(history, WIDTH))
    for pick in [None, *PICKS]:
        if pick is not None:
            coverage.add(pick, LIKELY)
            known.append(candidates[pick])
        nearest = [min((loops.distance(row, point) for point in known), default=0.0) for row in candidates]
        expected = loops.rank01(nearest) if known else np.zeros(COUNT)
        np.testing.assert_allclose(coverage.now(), expected, atol=1e-12)


@pytest.mark.parametrize("history", [0, 2])
def test_concentration_is_half_the_overshare_and_half_the_squared_projection(history):
    """A history of two gradients and three picks stays within the directions that are tracked: nothing is dropped."""
    sketches, gradients = points(2), list(points(3, history))
    cluster, counts = np.arange(COUNT) % CLUSTERS, [3, 1, 0]
    empty = Directions(np.empty(0), np.empty((0, 0)))
    strongest = with_gradients(empty, np.array(gradients), 2 * READ) if history else empty
    term = Concentration(Clusters(cluster, CLUSTERS), np.array(counts), sketches, strongest, READ)
    for pick in [None, *PICKS[: 4 - history]]:
        if pick is not None:
            term.add(pick, LIKELY)
            counts[cluster[pick]] += 1
            gradients.append(sketches[pick])
        expected = [
            loops.concentration(cluster[row], sketches[row], CLUSTERS, counts, gradients, READ) for row in range(COUNT)
        ]
        np.testing.assert_allclose(term.now(), expected, rtol=1e-6, atol=1e-9)


def test_a_gradient_of_zero_repeats_no_direction():
    sketches = points(2)
    sketches[3] = 0
    empty = Directions(np.empty(0), np.empty((0, 0)))
    term = Concentration(Clusters(np.zeros(COUNT, dtype=int), CLUSTERS), np.array([1, 1, 1]), sketches, empty, READ)
    term.add(0, LIKELY)
    # Cluster 0 has 2 of 4: (1/2 - 1/3) / (1 - 1/3) = 1/4, and half of that counts.
    assert term.now()[3] == pytest.approx(0.125)


def test_a_term_of_weight_nothing_is_nothing_whatever_is_picked():
    term = NoTerm(3)
    term.add(1, np.zeros(3))
    assert term.now().tolist() == [0, 0, 0]
