import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.metrics.corollary import (
    check_concentration,
    future_covariance,
    gradients_of,
    linear_transfer_variance,
    projection_moments,
    sphere_moments,
    spiked_spectrum,
    square_bounds,
    squared_projection,
    variance_estimate,
)
from farsighted.metrics.diagnostics import update_concentration
from oracles.theory_loops import form_moments, gaussian_fourth_moment, sphere_fourth_moment

seeds = st.integers(0, 2**32 - 1)
spectra = st.lists(st.integers(1, 9), min_size=2, max_size=8).map(lambda parts: np.array(parts) / sum(parts))


def rotation(rng, width):
    return np.linalg.qr(rng.normal(size=(width, width)))[0]


def second_moment(gradient):
    return gradient.T @ gradient / len(gradient)


@given(seed=seeds, width=st.integers(1, 4))
@settings(max_examples=30)
def test_moments_of_gaussian_directions_equal_isserlis_sums(seed, width):
    rng = np.random.default_rng(seed)
    A, S = (second_moment(rng.normal(size=(width + 1, width))) for _ in range(2))
    expected = form_moments(A, lambda i, j: S[i][j], lambda *at: gaussian_fourth_moment(S, *at))
    assert projection_moments(A, S) == pytest.approx(expected, rel=1e-9)


@given(seed=seeds, width=st.integers(1, 4))
@settings(max_examples=30)
def test_moments_on_the_sphere_equal_sums_of_fourth_moments(seed, width):
    A = second_moment(np.random.default_rng(seed).normal(size=(width + 1, width)))
    expected = form_moments(A, lambda i, j: (i == j) / width, lambda *at: sphere_fourth_moment(width, *at))
    assert sphere_moments(A) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_the_variance_on_the_sphere_equals_monte_carlo(share):
    rng = np.random.default_rng(5)
    gradient = gradients_of(spiked_spectrum(share, 8), rotation(rng, 8))
    direction = rng.normal(size=(20_000, 8))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    found = variance_estimate(squared_projection(gradient, direction))
    expected = sphere_moments(second_moment(gradient)).variance
    assert abs(found.value - expected) < 4 * found.standard_error
    assert found.standard_error < 0.05 * expected


@pytest.mark.parametrize("weight", [-1 / 7, 0.0, 0.9])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_the_variance_of_gaussian_directions_equals_monte_carlo(weight, share):
    rng = np.random.default_rng(6)
    basis = rotation(rng, 8)
    gradient, covariance = gradients_of(spiked_spectrum(share, 8), basis), future_covariance(basis[0], weight)
    value, vector = np.linalg.eigh(covariance)
    direction = rng.normal(size=(20_000, 8)) @ (np.sqrt(value.clip(0)) * vector).T
    found = variance_estimate(squared_projection(gradient, direction))
    assert (
        abs(found.value - projection_moments(second_moment(gradient), covariance).variance) < 4 * found.standard_error
    )
    assert found.standard_error < 0.1 * found.value


def test_the_standard_error_of_a_variance_is_how_much_variances_scatter():
    values = np.random.default_rng(7).exponential(size=(2000, 400))
    estimates = [variance_estimate(row) for row in values]
    scatter = np.std([estimate.value for estimate in estimates])
    assert np.mean([estimate.standard_error for estimate in estimates]) == pytest.approx(scatter, rel=0.1)


@given(spectrum=spectra, seed=seeds)
@settings(max_examples=40)
def test_made_gradients_have_their_spectrum_trace_one_and_concentration(spectrum, seed):
    gradient = gradients_of(spectrum, rotation(np.random.default_rng(seed), len(spectrum)))
    np.testing.assert_allclose(np.linalg.eigvalsh(second_moment(gradient)), np.sort(spectrum), atol=1e-12)
    assert update_concentration(gradient) == pytest.approx(spectrum.max())


@given(seed=seeds, width=st.integers(2, 20), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=60)
def test_one_growing_eigenvalue_raises_the_isotropic_variance_and_leaves_the_mean(seed, width, shares):
    low, high = (1 / width + share * (1 - 1 / width) * 0.999 for share in sorted(shares))
    less, more = (sphere_moments(np.diag(spiked_spectrum(share, width))) for share in (low, high))
    assert more.variance >= less.variance - 1e-15
    assert more.mean == pytest.approx(less.mean)


@given(spectrum=spectra, data=st.data())
@settings(max_examples=60)
def test_flattening_a_spectrum_never_raises_the_isotropic_variance(spectrum, data):
    rich, poor = np.argmax(spectrum), np.argmin(spectrum)
    given_away = data.draw(st.floats(0, 1)) * (spectrum[rich] - spectrum[poor]) / 2
    flatter = spectrum.copy()
    flatter[rich] -= given_away
    flatter[poor] += given_away
    assert sphere_moments(np.diag(flatter)).variance <= sphere_moments(np.diag(spectrum)).variance + 1e-15


def test_a_larger_concentration_can_have_the_smaller_variance():
    # tr A^2 = 2/4 = .5 against .36 + 4/100 = .40
    lower, higher = np.diag([0.5, 0.5, 0, 0, 0]), np.diag([0.6, 0.1, 0.1, 0.1, 0.1])
    assert sphere_moments(lower).variance == pytest.approx(2 * (5 * 0.5 - 1) / 175)
    assert sphere_moments(higher).variance == pytest.approx(2 * (5 * 0.4 - 1) / 175)


@pytest.mark.parametrize(("angle", "sign"), [(0.0, 1), (70.0, 1), (80.0, -1), (90.0, -1)])
def test_concentration_helps_where_the_future_is_nearer_than_a_random_direction(angle, sign):
    # one future direction at an angle to the top one: variance 2 (w'A w)^2 grows with C iff cos^2 > 1/D, here 75.5 deg
    radians = np.deg2rad(angle)
    future = future_covariance(np.cos(radians) * np.eye(16)[0] + np.sin(radians) * np.eye(16)[1], 1.0)
    less, more = (projection_moments(np.diag(spiked_spectrum(share, 16)), future) for share in (0.2, 0.8))
    assert np.sign(more.variance - less.variance) == np.sign(more.mean - less.mean) == sign


def test_at_the_angle_of_a_random_direction_concentration_changes_nothing():
    width = 9
    cosine = 1 / 3
    future = future_covariance(cosine * np.eye(width)[0] + np.sqrt(1 - cosine**2) * np.eye(width)[1], 1.0)
    for share in (1 / width, 0.5, 1.0):
        assert projection_moments(np.diag(spiked_spectrum(share, width)), future) == pytest.approx((1 / 9, 2 / 81))


def test_a_future_without_the_top_direction_receives_less_and_varies_less():
    # S = (I - uu')/(D - 1), A has (1 - c)/(D - 1) there: mean (1 - c)/(D - 1), variance 2 (1 - c)^2 / (D - 1)^3
    future = future_covariance(np.eye(5)[0], -1 / 4)
    for share in (0.2, 0.6, 1.0):
        found = projection_moments(np.diag(spiked_spectrum(share, 5)), future)
        assert found == pytest.approx(((1 - share) / 4, 2 * (1 - share) ** 2 / 64), abs=1e-15)


def test_concentration_is_blind_to_the_sign_that_decides_the_linear_term():
    gradient, future = np.array([[3.0, 4.0], [3.0, 4.0]]), np.eye(2) / 2
    turned = gradient * np.array([[1.0], [-1.0]])
    assert update_concentration(turned) == update_concentration(gradient) == pytest.approx(1)
    assert linear_transfer_variance(gradient, future) == pytest.approx(12.5)
    assert linear_transfer_variance(turned, future) == 0


@pytest.mark.parametrize("weight", [-0.25, 0.0, 0.5, 1.0])
def test_the_future_has_trace_one_and_its_weight_on_one_direction(weight):
    direction = np.array([0.6, 0.8, 0.0, 0.0, 0.0])
    value = np.linalg.eigvalsh(future := future_covariance(direction, weight))
    assert value.sum() == pytest.approx(1)
    assert value.min() > -1e-12
    assert direction @ future @ direction == pytest.approx((1 - weight) / 5 + weight)


@given(spectrum=spectra)
@settings(max_examples=80)
def test_no_spectrum_leaves_its_bounds(spectrum):
    bounds = square_bounds(spectrum.max(), len(spectrum))
    assert bounds.low - 1e-12 <= (spectrum**2).sum() <= bounds.high + 1e-12


@pytest.mark.parametrize("spectrum", [[0.4, 0.4, 0.2, 0.0], [0.7, 0.3, 0.0, 0.0], [0.25] * 4, [1.0, 0.0, 0.0, 0.0]])
def test_the_upper_bound_is_reached_by_equal_eigenvalues_and_a_rest(spectrum):
    assert square_bounds(spectrum[0], 4).high == pytest.approx(sum(value**2 for value in spectrum))


def test_the_lower_bound_is_reached_by_one_spike():
    assert square_bounds(0.4, 4).low == pytest.approx(0.4**2 + 3 * 0.2**2)


@pytest.mark.parametrize("share", [0.2, 1.1])
def test_an_impossible_top_share_is_refused(share):
    with pytest.raises(ValueError, match="between 1/4 and 1"):
        spiked_spectrum(share, 4)


def test_two_eigenvalues_leave_no_choice_and_sixteen_do():
    # with two, tr A^2 = c^2 + (1 - c)^2 rises with c
    two, many = (check_concentration(np.random.default_rng(8), 2000, width) for width in (2, 16))
    assert two.hits == two.cases == 2000
    assert 0.8 < many.interval.low < many.interval.high < 0.99
