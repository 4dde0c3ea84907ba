"""The corollary of Appendix B.2 in closed form: how update concentration spreads what future directions receive.

A future direction f receives f'A f = 1/M sum_x <g(x), f>^2 of the M selected gradients, its squared projections, where
A = 1/M sum_x g(x) g(x)' is their second moment. Spectra are compared at equal trace of A.

D parameters, M selected gradients, F future directions, P pairs.
"""

from typing import NamedTuple

import numpy as np

from farsighted.metrics.intervals import Interval
from farsighted.metrics.theory import Share


class Moments(NamedTuple):
    """Mean and variance over future directions."""

    mean: float
    variance: float


class TransferEstimate(NamedTuple):
    """A number measured by chance, with its standard error."""

    value: float
    standard_error: float


def projection_moments(moment_DD: np.ndarray, covariance_DD: np.ndarray) -> Moments:
    """Return mean tr(A S) and variance 2 tr(A S A S) of the squared projection f'A f for f from N(0, S).

    *Reference:* paper, Appendix B.2, which names the expectation and the variance but gives neither.
    """
    product_DD = moment_DD @ covariance_DD
    return Moments(float(np.trace(product_DD)), float(2 * (product_DD * product_DD.T).sum()))


def sphere_moments(moment_DD: np.ndarray) -> Moments:
    """Return mean tr A / D and variance 2 (D tr A^2 - (tr A)^2) / (D^2 (D + 2)) of f'A f, f uniform on the sphere.

    At equal trace the variance depends on A by tr A^2 alone: 0 for a flat spectrum, largest for a single direction.

    >>> sphere_moments(np.diag([1.0, 0.0]))
    Moments(mean=0.5, variance=0.125)
    """
    width, trace = len(moment_DD), float(np.trace(moment_DD))
    square = float((moment_DD * moment_DD.T).sum())
    return Moments(trace / width, 2 * (width * square - trace**2) / (width**2 * (width + 2)))


def linear_transfer_variance(gradient_MD: np.ndarray, covariance_DD: np.ndarray) -> float:
    """Return g'S g, the variance over f from N(0, S) of <g, f>, g the mean gradient: the linear term of Eq. 8.

    C(S) says nothing about it: turning a gradient round leaves the second moment as it is, but not the mean.
    """
    update_D = gradient_MD.mean(axis=0)
    return float(update_D @ covariance_DD @ update_D)


def squared_projection(gradient_MD: np.ndarray, direction_FD: np.ndarray) -> np.ndarray:
    """Return 1/M sum_x <g(x), f>^2 for every direction: (F,)."""
    return np.asarray(((direction_FD @ gradient_MD.T) ** 2).mean(axis=-1))


def variance_estimate(value_F: np.ndarray) -> TransferEstimate:
    """Return the sample variance s^2 with its standard error sqrt((m4 - s^4 (n-3)/(n-1)) / n)."""
    count, variance = value_F.size, float(value_F.var(ddof=1))
    fourth = float(((value_F - value_F.mean()) ** 4).mean())
    return TransferEstimate(variance, float(np.sqrt((fourth - variance**2 * (count - 3) / (count - 1)) / count)))


def spiked_spectrum(share: float, width: int) -> np.ndarray:
    """Return eigenvalues of sum 1, the first `share`, the others equal: (D,).

    >>> spiked_spectrum(0.7, 4).round(3).tolist()
    [0.7, 0.1, 0.1, 0.1]
    """
    if not 1 / width <= share <= 1:
        raise ValueError(f"The top share must lie between 1/{width} and 1, but is {share:g}. Choose one between them.")
    return np.array([share] + [(1 - share) / (width - 1)] * (width - 1))


def gradients_of(spectrum_D: np.ndarray, basis_DD: np.ndarray) -> np.ndarray:
    """Return D gradients whose second moment has this spectrum, along the rows of an orthonormal basis: (M = D, D)."""
    return np.asarray(np.sqrt(len(spectrum_D) * spectrum_D)[:, None] * basis_DD)


def future_covariance(direction_D: np.ndarray, weight: float) -> np.ndarray:
    """Return S_f = (1 - weight) I/D + weight u u', of trace 1, u a unit vector: (D, D).

    0 is broad, 1 a single direction, -1/(D - 1) broad with u left out.
    """
    width = len(direction_D)
    return np.asarray((1 - weight) * np.eye(width) / width + weight * np.outer(direction_D, direction_D))


def square_bounds(share: float, width: int) -> Interval:
    """Return the smallest and largest sum of squares of eigenvalues of sum 1, the largest of them `share`.

    What C(S) leaves open of tr A^2: smallest with the rest spread evenly; largest with as many eigenvalues of size
    `share` as fit, and one for what is left.

    >>> square_bounds(0.5, 3)
    Interval(low=0.375, high=0.5)
    """
    low = float((spiked_spectrum(share, width) ** 2).sum())
    fitting = int(1 / share)
    return Interval(low, fitting * share**2 + (1 - fitting * share) ** 2)


def check_concentration(rng: np.random.Generator, pairs: int, width: int) -> Share:
    """Return in how many pairs of random spectra of trace 1 the larger C(S) has the larger isotropic variance.

    Dirichlet(alpha) spectra of `width` eigenvalues, log10 alpha uniform in -1..1. Under isotropic directions the order
    of variances is that of tr A^2 (`sphere_moments`).
    """
    alpha_P = 10 ** rng.uniform(-1, 1, size=(2, pairs, 1))
    part_PD = rng.standard_gamma(alpha_P, size=(2, pairs, width))
    spectrum_PD = part_PD / part_PD.sum(axis=-1, keepdims=True)
    top_P, square_P = spectrum_PD.max(axis=-1), (spectrum_PD**2).sum(axis=-1)
    return Share(int(((top_P[0] > top_P[1]) == (square_P[0] > square_P[1])).sum()), pairs)
