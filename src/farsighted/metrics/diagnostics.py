"""What the selected data and the updates looked like on the way (definitions.md#diagnostics).

M picked examples, K width of a gradient sketch.
"""

import statistics
from collections.abc import Iterable

import numpy as np
from scipy import linalg, special

SPIKE_WARMUP = 5
"""Finite values that must precede a value before it can be called a spike: a median of fewer says little."""


def capability_entropy(cluster_M: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return -sum_c p_c ln p_c in nats, p_c the share of cluster c among the selected examples.

    Each example counts once, or by `weights` (M,), for example its trained tokens. 0 (one cluster) .. ln C (all
    equal); NaN where nothing was selected or the weights sum to 0.

    *Reference:* definitions.md#capability-entropy;
    paper, §3 "Trajectory diagnostics"; its largest value, 2.05, is close to ln 8.

    Raises:
        ValueError: if a weight is negative or the lengths differ.

    >>> capability_entropy(np.array([3, 3, 7, 7])) == float(np.log(2))
    True
    """
    cluster = np.asarray(cluster_M)
    weight = np.ones(cluster.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != cluster.shape or bool((weight < 0).any()):
        raise ValueError(
            f"Weights must be one non-negative number per example, but have shape {weight.shape} for "
            f"{cluster.shape} clusters and a minimum of {weight.min(initial=0.0):g}."
        )
    if cluster.size == 0 or weight.sum() == 0:
        return float("nan")
    number = np.unique(cluster, return_inverse=True)[1]
    share_C = np.bincount(number, weights=weight) / weight.sum()
    return float(special.entr(share_C).sum())


def update_concentration(sketch_MK: np.ndarray, eps: float = 1e-12) -> float:
    """Return C(S) = lambda_max(A) / (tr A + eps), A = 1/M sum_x g(x) g(x)' over the selected gradients.

    `sketch_MK` holds one gradient (sketch) a row. A is not centred: the mean direction is part of the concentration.
    Its non-zero eigenvalues are those of the M x M Gram matrix divided by M, so the smaller of the two is decomposed.
    1/min(M, K) (all directions alike) .. 1 (all gradients parallel), as long as tr A is far above eps; exactly zero
    gradients give 0, by eps. NaN where there is no gradient or one is not finite.

    *Reference:* paper, Eq. 4; definitions.md#update-concentration.

    >>> round(update_concentration(np.array([[3.0, 0.0], [0.0, 1.0]])), 6)
    0.9
    """
    gradient = np.asarray(sketch_MK, dtype=np.float64)
    if gradient.ndim != 2:
        raise ValueError(f"Gradients must have shape (examples, width), but have shape {gradient.shape}.")
    if gradient.size == 0 or not np.isfinite(gradient).all():
        return float("nan")
    count, width = gradient.shape
    gram = (gradient @ gradient.T if count <= width else gradient.T @ gradient) / count
    last = len(gram) - 1
    largest = linalg.eigh(gram, eigvals_only=True, subset_by_index=(last, last))[0]
    return float(largest / (np.trace(gram) + eps))


def adapter_drift(inner_total_step: float, norm2_step: float, norm2_total: float) -> float:
    """Return 1 - cos(Delta_t, sum over s < t of Delta_s), 0 (same direction) .. 2 (opposite).

    From inner products, so that the parameter changes need never be flattened: `inner_total_step` is the inner product
    of the change of stage t with the sum of the earlier ones, the other two are the squared norms of these. NaN where
    either norm is 0: the first stage has nothing to drift from.

    *Reference:* paper, §3 "Trajectory diagnostics"; definitions.md#adapter-drift.
    """
    if norm2_step == 0 or norm2_total == 0:
        return float("nan")
    cosine = inner_total_step / (np.sqrt(norm2_step) * np.sqrt(norm2_total))
    return float(1 - np.clip(cosine, -1.0, 1.0))  # rounding alone can push a cosine outside


def jaccard(ids_a: Iterable[str], ids_b: Iterable[str]) -> float:
    """Return the size of the intersection over the size of the union of two selections, 0..1; NaN where both are empty.

    >>> jaccard(["x", "y"], ["y", "z", "z"])
    0.3333333333333333
    """
    a, b = set(ids_a), set(ids_b)
    return len(a & b) / len(a | b) if a or b else float("nan")


def count_spikes(values: Iterable[float], factor: float = 3.0, window: int = 32) -> int:
    """Return how many values exceed `factor` times the running median of the values before them.

    Value i is a spike iff it is finite, at least `SPIKE_WARMUP` finite values precede it, and it is > factor * median
    of the last `window` finite values before it. Spikes stay in later medians; a lasting rise is therefore counted
    until it fills half the window and is the new normal. Non-finite values are neither spikes nor part of a median:
    `count_non_finite` counts them. Meant for losses or gradient norms of one stage: a jump at the start of the next
    stage is no instability.

    >>> count_spikes([1, 1, 1, 1, 1, 9, 1])
    1
    """
    before: list[float] = []
    spikes = 0
    for value in map(float, values):
        if not np.isfinite(value):
            continue
        if len(before) >= SPIKE_WARMUP and value > factor * statistics.median(before[-window:]):
            spikes += 1
        before.append(value)
    return spikes


def count_non_finite(values: Iterable[float]) -> int:
    """Return how many values are NaN or infinite."""
    return int(np.count_nonzero(~np.isfinite(np.fromiter(map(float, values), dtype=np.float64))))


def neighbour_alignment(count_SC: np.ndarray) -> float:
    """Return the mean cosine between the cluster mixtures of neighbouring stages, 0 (none shared) .. 1 (the same).

    `count_SC` holds the candidates of each stage's pool by cluster. NaN for a single stage, or where a pool is empty.

    *Reference:* definitions.md#neighbour-alignment;
    ours; the paper's §5.1 "Task order" speaks of stages that share capabilities without a measure.

    >>> neighbour_alignment(np.array([[2, 0], [1, 0], [0, 3]]))
    0.5
    """
    count = np.asarray(count_SC, dtype=np.float64)
    length_S = np.linalg.norm(count, axis=1)
    if len(count) < 2 or not length_S.all():
        return float("nan")
    inner = (count[:-1] * count[1:]).sum(axis=1)
    return float((inner / (length_S[:-1] * length_S[1:])).mean())
