import numpy as np
import pytest
import torch

from farsighted.signals.sketch import draw_two_sided, row_signs, two_sided_map


def test_a_side_that_fits_is_injected_without_loss():
    injection = two_sided_map(np.random.default_rng(0), 5, 8).astype(np.float64)
    np.testing.assert_array_equal(injection @ injection.T, np.eye(5))


def test_a_long_side_has_signs_over_the_root_of_its_width():
    assert set(np.unique(two_sided_map(np.random.default_rng(0), 9, 4))) == {-0.5, 0.5}


@pytest.mark.parametrize("shape", [(7, 9), (3, 9), (3, 2)])
def test_inner_products_and_norms_are_unbiased_over_draws(shape):
    draws, generator = 3000, np.random.default_rng(0)
    first, second = torch.from_numpy(generator.normal(size=(2, *shape)))
    second = second + first
    products = np.empty((draws, 2))
    for draw in range(draws):
        maps = draw_two_sided(generator, shape, 4, torch.device("cpu"))
        sketches = maps.of_matrix(first), maps.of_matrix(second)
        products[draw] = (sketches[0] * sketches[1]).sum(), (sketches[0] ** 2).sum()
    truth = np.array([(first * second).sum(), (first**2).sum()])
    standard_error = products.std(axis=0) / np.sqrt(draws)
    assert (np.abs(products.mean(axis=0) - truth) <= 3 * standard_error + 1e-9).all()


def test_sums_over_modules_stay_unbiased_because_cross_terms_vanish_on_average():
    draws, generator = 3000, np.random.default_rng(0)
    one, two = torch.from_numpy(generator.normal(size=(3, 6))), torch.from_numpy(generator.normal(size=(1, 2)))
    squares = np.empty(draws)
    for draw in range(draws):
        sides = [draw_two_sided(generator, tuple(matrix.shape), 4, torch.device("cpu")) for matrix in (one, two)]
        squares[draw] = (sides[0].of_matrix(one) + sides[1].of_matrix(two)).square().sum()
    truth = float(one.square().sum() + two.square().sum())
    assert abs(squares.mean() - truth) <= 3 * squares.std() / np.sqrt(draws)


def test_the_sketch_of_a_sum_of_outer_products_equals_the_sketch_of_their_matrix():
    generator = np.random.default_rng(0)
    left, right = (torch.from_numpy(generator.normal(size=(2, 5, width))) for width in (6, 40))
    maps = draw_two_sided(generator, (6, 40), 8, torch.device("cpu"))
    wanted = [maps.of_matrix(left[row].T @ right[row]) for row in range(2)]
    torch.testing.assert_close(maps.of_outer(left, right), torch.stack(wanted))


def test_a_longer_time_map_begins_with_the_shorter_one():
    np.testing.assert_array_equal(row_signs(5, 700, 8)[:512], row_signs(5, 512, 8))
