import numpy as np
import pytest
from scipy import stats

from farsighted.metrics.correlation import kendall, spearman

MINE = {spearman: stats.spearmanr, kendall: stats.kendalltau}


@pytest.mark.parametrize("own", MINE)
def test_rank_correlations_equal_scipy_with_and_without_ties(own):
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(20, 2, 7)), rng.integers(0, 4, size=(20, 2, 7)).astype(float)):
        by_scipy = [MINE[own](x, y).statistic for x, y in values]
        np.testing.assert_allclose(own(values[:, 0], values[:, 1]), by_scipy)


@pytest.mark.parametrize("own", MINE)
def test_one_order_is_compared_with_every_replicate_of_another(own):
    x_BK = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    np.testing.assert_allclose(own(x_BK, np.array([5.0, 6.0, 7.0])), [1, -1])


@pytest.mark.parametrize("own", MINE)
def test_what_is_missing_or_all_equal_has_no_order(own):
    assert np.isnan(own(np.array([1.0, np.nan, 3.0]), np.arange(3.0)))
    assert np.isnan(own(np.ones(3), np.arange(3.0)))
