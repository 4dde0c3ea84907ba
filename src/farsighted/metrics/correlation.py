"""How far two orders of the same things agree; K things, leading axes (bootstrap replicates) broadcast."""

import numpy as np


def spearman(x_K: np.ndarray, y_K: np.ndarray) -> np.ndarray:
    """Return Spearman's rho, the correlation of the ranks, -1..1, shape (...); ties share their mean rank.

    NaN where a number is missing or all numbers of one side are equal: there is no order to agree with.

    >>> float(spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0])))
    0.5
    """
    x, y = (_centred_ranks(values) for values in (x_K, y_K))
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.asarray((x * y).sum(axis=-1) / np.where(scale > 0, scale, np.nan))


def kendall(x_K: np.ndarray, y_K: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b, -1..1, shape (...): concordant minus discordant pairs, over the pairs not tied.

    tau_b = sum over i < j of sgn(x_i - x_j) sgn(y_i - y_j) / sqrt(n_x n_y), n_x the pairs that x does not tie. NaN as
    for `spearman`.

    >>> round(float(kendall(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0]))), 3)
    0.333
    """
    x, y = (_signs_of_pairs(values) for values in (x_K, y_K))
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.asarray((x * y).sum(axis=-1) / np.where(scale > 0, scale, np.nan))


def _centred_ranks(values_K: np.ndarray) -> np.ndarray:
    from scipy import stats  # It takes longer to import than the rest of the package.

    ranks = stats.rankdata(np.asarray(values_K, dtype=np.float64), axis=-1, nan_policy="propagate")
    return np.asarray(ranks - ranks.mean(axis=-1, keepdims=True))


def _signs_of_pairs(values_K: np.ndarray) -> np.ndarray:
    values = np.asarray(values_K, dtype=np.float64)
    first, second = np.triu_indices(values.shape[-1], k=1)
    return np.sign(values[..., first] - values[..., second])
