"""How sure the numbers are: paired bootstrap over items x seeds, p-values, power.

Every selector is scored on the same items and run with the same seeds, so a difference between two selectors is
resampled with the same draws on both sides ("paired"): what an item or a seed does to both cancels. Letters: B
resamples, Z seeds, I items of one evaluation set.

The steps of a caller: `draw_resamples` once per (order, budget); per selector `set_means` (or `matrix_replicates`) on
its item scores; any metric of this package on the result, which has leading axes (B, Z); the mean over Z; and then
`summarise`, `paired_difference`, `two_sided_p`, `power`.

Seeds and items are crossed, and both are drawn. `scipy.stats.bootstrap` resamples one axis, or several arrays that
share their sample axis, so the two-way draw is ours; on one axis it is scipy's percentile bootstrap.

How far to trust an interval. No bootstrap of crossed factors is exact: this one counts the interaction of items and
seeds up to three times, so it errs on the wide side (*Reference:* Owen 2007, "The pigeonhole bootstrap"). Few seeds
err on the other: where nothing but the seed varies, three seeds give a 95 % interval from the lowest to the highest
seed, which holds the truth in 75 % of cases (two seeds 50 %; by simulation five 83 %, ten 89 %). One seed covers items
alone. Forgetting, worst task and imbalance are a maximum, a minimum and a spread of noisy means: their replicates tend
to the bad side of the measured value, and the fewer the items, the more.

*Reference:* definitions.md#how-sure-the-numbers-are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special


@dataclass(frozen=True, slots=True)
class Resample:
    """B draws of seeds and items, shared by all selectors."""

    seed_index: np.ndarray
    """(B, Z) numbers of the seeds drawn, with replacement."""
    weights: Mapping[str, np.ndarray]
    """Evaluation set to (B, I) shares of its items, each row summing to 1."""

    def items_only(self) -> "Resample":
        """Return the same item draws with every seed kept once: the spread that items alone cause."""
        resamples, seeds = self.seed_index.shape
        return replace(self, seed_index=np.tile(np.arange(seeds), (resamples, 1)))

    def seeds_only(self) -> "Resample":
        """Return the same seed draws with every item kept once: the spread that seeds alone cause."""
        return replace(self, weights={name: np.full_like(w, 1 / w.shape[1]) for name, w in self.weights.items()})


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval; NaN at both ends where a replicate is NaN."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One number of one selector over seeds."""

    mean: float
    sd: float
    """Sample standard deviation over seeds (ddof = 1); NaN for one seed."""
    low: float
    high: float
    n: int
    """Number of seeds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference, selector minus reference, with its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Precision:
    """How precisely a difference was measured, and by what design."""

    items: int
    """Items per evaluation set."""
    seeds: int
    se_items: float
    """Standard error from items: sd of the replicates of the difference under `Resample.items_only`."""
    se_seeds: float
    """Standard error from seeds: sd of the replicates under `Resample.seeds_only`; NaN for one seed."""


@dataclass(frozen=True, slots=True)
class Power:
    """The design that would resolve an observed difference."""

    items: int | None
    """Items per evaluation set; None where not resolvable."""
    seeds: int | None
    growth: float
    """Factor f >= 1 on items and on seeds; 1 = the present design is enough, inf = none is, NaN = unknown."""
    resolvable: bool
    """False where the difference is exactly 0 or a standard error is unknown."""


def draw_resamples(rng: np.random.Generator, resamples: int, seeds: int, item_counts: Mapping[str, int]) -> Resample:
    """Draw seeds with replacement and, independently for each evaluation set, items with replacement.

    Sets are drawn in order of name, so the order of `item_counts` does not matter.

    Raises:
        ValueError: if a count is below 1.

    *Reference:* definitions.md#bootstrap.
    """
    counts = {"resamples": resamples, "seeds": seeds, **{f"items of '{name}'": n for name, n in item_counts.items()}}
    for what, number in counts.items():
        if number < 1:
            raise ValueError(f"A bootstrap needs at least one of each, but the number of {what} is {number}.")
    seed_index = rng.integers(seeds, size=(resamples, seeds))
    weights = {name: _item_shares(rng, resamples, count) for name, count in sorted(item_counts.items())}
    return Resample(seed_index, weights)


def set_means(scores_ZxI: np.ndarray, weights_BI: np.ndarray, seed_index_BZ: np.ndarray) -> np.ndarray:
    """Return the mean over items of every resample: (Z, ..., I) item scores to (B, Z, ...) set scores.

    Entry [b, z] belongs to the z-th seed drawn in resample b. One matrix product per set. A NaN item makes its
    mean NaN in every resample, drawn or not: a set is evaluated on all of its items or it is missing.

    >>> set_means(np.array([[0.0, 100.0]]), np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[0], [0]]))
    array([[ 50.],
           [100.]])
    """
    scores = np.asarray(scores_ZxI, dtype=np.float64)
    means_ZxB = scores @ weights_BI.T
    means_BxZ = np.moveaxis(means_ZxB, -1, 0)
    return np.asarray(means_BxZ[np.arange(len(weights_BI))[:, None], seed_index_BZ])


def matrix_replicates(columns: Sequence[np.ndarray], sets: Sequence[str], resample: Resample) -> np.ndarray:
    """Return the replicates of the score matrix, (B, Z, T+1, T), ready for `farsighted.metrics.matrix`.

    `columns[j]` holds the item scores (Z, T+1, I_j) on the set of stage j + 1, whose name is `sets[j]`.
    """
    means = [
        set_means(column, resample.weights[name], resample.seed_index)
        for column, name in zip(columns, sets, strict=True)
    ]
    return np.stack(means, axis=-1)


def interval(replicates_B: np.ndarray, confidence: float = 0.95) -> Interval:
    """Return the percentile interval of bootstrap replicates, equal tails, linear between order statistics."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(replicates_B, dtype=np.float64), [tail, 1 - tail])
    return Interval(float(low), float(high))


def summarise(values_Z: np.ndarray, replicates_B: np.ndarray, confidence: float = 0.95) -> Summary:
    """Return mean and sample sd over seeds of the measured values, with the interval of the replicates of that mean."""
    values = np.asarray(values_Z, dtype=np.float64)
    bounds = interval(replicates_B, confidence)
    sd = float(values.std(ddof=1)) if values.size > 1 else float("nan")
    return Summary(float(values.mean()), sd, bounds.low, bounds.high, values.size)


def paired_difference(
    values_Z: np.ndarray,
    reference_Z: np.ndarray,
    replicates_B: np.ndarray,
    reference_replicates_B: np.ndarray,
    confidence: float = 0.95,
) -> Difference:
    """Return selector minus reference: of the means over seeds, with the interval of the replicates' differences.

    Both must hold the same seeds in the same order, and both replicates must come from the same `Resample`. The
    interval excludes 0 where `two_sided_p` of those differences is at most 1 - confidence.

    *Reference:* definitions.md#paired-difference.
    """
    level = 1 - confidence
    bounds = ends_at(np.asarray(replicates_B) - np.asarray(reference_replicates_B), level, level)
    mean = np.asarray(values_Z, dtype=np.float64).mean() - np.asarray(reference_Z, dtype=np.float64).mean()
    return Difference(float(mean), bounds.low, bounds.high)


def two_sided_p(replicates_B: np.ndarray) -> float:
    """Return the p-value of a difference: twice the smaller share of replicates on either side of 0, at most 1.

    Replicates of 0 count for both sides, and one is added to both, so that no p-value is 0: it is at least 2/(B + 1).
    NaN where a replicate is NaN.

    >>> round(two_sided_p(np.array([-1.0, 2.0, 3.0, 1.0])), 3)
    0.8
    """
    replicates = np.asarray(replicates_B, dtype=np.float64)
    if np.isnan(replicates).any():
        return float("nan")
    beyond = min(np.count_nonzero(replicates <= 0), np.count_nonzero(replicates >= 0))
    return float(min(1.0, 2 * (1 + beyond) / (replicates.size + 1)))


def ends_at(replicates_B: np.ndarray, low_level: float, high_level: float) -> Interval:
    """Return the ends of an interval, each at its own two-sided level, so that it says what `two_sided_p` says.

    The k-th smallest and the k-th largest replicate, k = level (B + 1)/2 rounded down: with p at most the level the end
    that faces 0 excludes it, with p above it does not. Too few resamples for a level (k < 1) give the extremes.
    """
    ordered = np.sort(np.asarray(replicates_B, dtype=np.float64))
    if not ordered.size or np.isnan(ordered[-1]):
        return Interval(float("nan"), float("nan"))
    low, high = (_rank(ordered.size, level) for level in (low_level, high_level))
    return Interval(float(ordered[low - 1]), float(ordered[-high]))


def power(difference_mean: float, precision: Precision, alpha: float = 0.05, power: float = 0.8) -> Power:
    """Return how many items per set and seeds would resolve a difference as large as the observed one.

    A two-sided test at level `alpha` finds a true difference d with probability `power` where
    |d| >= (z_{1-alpha/2} + z_power) se. The variance has two parts, se^2 = se_items^2 + se_seeds^2. Items are crossed
    with seeds: every seed answers the same items, so more seeds do not make the items a better sample, and se_items^2
    falls as 1/items alone; se_seeds^2 falls as 1/seeds alone. Growing only one of the two leaves the other's part
    standing, so both grow by the same factor f, for which se^2 falls to se^2 / f; the smallest that suffices is
    f = ((z_{1-alpha/2} + z_power) se / d)^2, not below 1. Both numbers are then rounded up.

    The observed difference stands for the true one: after an undecided audit this is a plan, not a promise.

    >>> power(1.0, Precision(items=100, seeds=3, se_items=0.3, se_seeds=0.4)).items
    197

    *Reference:* definitions.md#power.
    """
    variance = precision.se_items**2 + precision.se_seeds**2
    if math.isnan(variance) or math.isnan(difference_mean):
        return Power(None, None, float("nan"), resolvable=False)
    if difference_mean == 0:
        return Power(None, None, float("inf"), resolvable=False)
    quantiles = float(special.ndtri(1 - alpha / 2) + special.ndtri(power))
    growth = max(1.0, quantiles**2 * variance / difference_mean**2)
    return Power(_round_up(precision.items * growth), _round_up(precision.seeds * growth), growth, resolvable=True)


def _item_shares(rng: np.random.Generator, resamples: int, items: int) -> np.ndarray:
    """Return how often each item was drawn in each resample, in shares of all, (B, I)."""
    # Counting draws takes a tenth of the time of drawing counts, which are multinomial.
    place_BI = rng.integers(items, size=(resamples, items))
    place_BI += items * np.arange(resamples)[:, None]
    return np.bincount(place_BI.ravel(), minlength=place_BI.size).reshape(place_BI.shape) / items


def _rank(resamples: int, level: float) -> int:
    """Number of the replicate, from the outside, that is the end of an interval."""
    return max(1, math.floor(level * (resamples + 1) / 2 * (1 + 1e-12)))


def _round_up(number: float) -> int:
    """Ceiling that forgives rounding: 30.000000001 items are 30."""
    return math.ceil(number * (1 - 1e-9))
