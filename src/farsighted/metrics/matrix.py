"""What the score matrix says: one equation of definitions.md#score-matrix a function.

`score_ST[i, j - 1]` is R[i][j]: the score in 0..100 (unbounded below) of the model after stage i on the validation set
of stage j; row 0 is the base model, so a run of T stages has S = T + 1 rows. A cell that was not evaluated is NaN.

Every function takes leading batch axes, (..., T+1, T) to (...) or (..., T), so that all bootstrap replicates go through
at once; a single matrix gives an array of no axes. A result is NaN where a cell that it needs is NaN or where T is too
small for it: nothing missing is ever read as 0.
"""

import numpy as np


def current(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean score right after each stage, on that stage: mean over t of R[t][t].

    >>> float(current(np.array([[10.0, 20.0], [60.0, 30.0], [50.0, 80.0]])))
    70.0

    *Reference:* definitions.md#current.
    """
    return _mean(_just_learned(_checked(score_ST)))


def immediate_gain_per_stage(score_ST: np.ndarray) -> np.ndarray:
    """Return U_imm(t) = R[t][t] - R[t-1][t] for every stage, (..., T) points.

    *Reference:* paper, Eq. 1.
    """
    score = _checked(score_ST)
    return np.asarray(_just_learned(score) - _just_before(score))


def immediate_gain(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean over stages of U_imm(t), in points.

    *Reference:* definitions.md#immediate-gain.
    """
    return _mean(immediate_gain_per_stage(score_ST))


def final_average(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean score of the final model over all stages: mean over j of R[T][j].

    *Reference:* definitions.md#final-average.
    """
    return _mean(_final(_checked(score_ST)))


def forgetting_per_stage(score_ST: np.ndarray) -> np.ndarray:
    """Return F_t = max over t <= l <= T of R[l][t], minus R[T][t]: the drop from the best score since it was learned.

    At least 0, and F_T = 0; (..., T) points. Stage t needs its column from row t on, so `evaluate: past` is enough.

    *Reference:* paper, §3 and Eq. 2; definitions.md#forgetting.

    >>> forgetting_per_stage(np.array([[10.0, 20.0], [60.0, 30.0], [50.0, 80.0]]))
    array([10.,  0.])
    """
    score = _checked(score_ST)
    return np.asarray(_best_since_learned(score) - _final(score))


def forgetting(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean over t < T of F_t, in points; NaN for a single stage, which nothing can follow."""
    return _mean(forgetting_per_stage(score_ST)[..., :-1])


def forgetting_chaudhry(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean over t < T of (max over t <= l < T of R[l][t]) - R[T][t], in points.

    Unlike `forgetting`, the final row is not among the candidates for the best, so a task that improves to the end
    counts as negative forgetting.

    *Reference:* definitions.md#forgetting-variants;
    Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning", which defines the accuracy on a task
    only from the stage that learns it on; hence l starts at t.
    """
    score = _checked(score_ST)
    best = _best_since_learned(score[..., :-1, :])
    return _mean((best - _final(score))[..., :-1])


def forgetting_gem_bwt(score_ST: np.ndarray) -> np.ndarray:
    """Return backward transfer, the mean over i < T of R[T][i] - R[i][i], in points; negative means forgetting.

    *Reference:* Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning".
    """
    score = _checked(score_ST)
    return _mean((_final(score) - _just_learned(score))[..., :-1])


def forgetting_avalanche(score_ST: np.ndarray) -> np.ndarray:
    """Return first minus last, the mean over i < T of R[i][i] - R[T][i], in points; positive means forgetting.

    The last stage has a first score but no later one, so it does not enter the mean: minus `forgetting_gem_bwt`.

    *Reference:* Lomonaco et al. 2021, "Avalanche: an End-to-End Library for Continual Learning", stream forgetting.
    """
    score = _checked(score_ST)
    return _mean((_just_learned(score) - _final(score))[..., :-1])


def forward_transfer(score_ST: np.ndarray) -> np.ndarray:
    """Return the mean over t >= 2 of R[t-1][t] - R[0][t]: what earlier stages did for a stage before its own turn.

    Points; NaN for a single stage. Needs `evaluate: all`, as it reads scores on stages still to come.

    *Reference:* definitions.md#forward-transfer.
    """
    score = _checked(score_ST)
    return _mean((_just_before(score) - score[..., 0, :])[..., 1:])


def capability_imbalance(score_ST: np.ndarray) -> np.ndarray:
    """Return the population standard deviation over j of R[T][j], in points; 0 for a single stage by definition.

    *Reference:* definitions.md#capability-imbalance.
    """
    return np.asarray(_final(_checked(score_ST)).std(axis=-1))


def worst_task(score_ST: np.ndarray) -> np.ndarray:
    """Return the lowest score of the final model over all stages: min over j of R[T][j].

    *Reference:* definitions.md#worst-task.
    """
    return np.asarray(_final(_checked(score_ST)).min(axis=-1))


def _checked(score_ST: np.ndarray) -> np.ndarray:
    score = np.asarray(score_ST, dtype=np.float64)
    if score.ndim < 2 or score.shape[-1] < 1 or score.shape[-2] != score.shape[-1] + 1:
        raise ValueError(
            f"A score matrix must have shape (..., T + 1, T) with T >= 1, but has shape {score.shape}. "
            "Put the base model's scores in row 0."
        )
    return score


def _just_learned(score_ST: np.ndarray) -> np.ndarray:
    """R[t][t] for every stage, (..., T)."""
    return np.diagonal(score_ST, offset=-1, axis1=-2, axis2=-1)


def _just_before(score_ST: np.ndarray) -> np.ndarray:
    """R[t-1][t] for every stage, (..., T)."""
    return np.diagonal(score_ST, offset=0, axis1=-2, axis2=-1)


def _final(score_ST: np.ndarray) -> np.ndarray:
    """R[T][j] for every stage, (..., T)."""
    return score_ST[..., -1, :]


def _best_since_learned(score_ST: np.ndarray) -> np.ndarray:
    """Maximum over rows l >= t of column t, (..., T); -inf for a column whose row t is not among those given."""
    rows, stages = score_ST.shape[-2:]
    learned = np.arange(rows)[:, None] >= np.arange(1, stages + 1)[None, :]
    # Rows before t must not matter even if they are NaN, so they are replaced and not merely compared.
    return np.asarray(np.where(learned, score_ST, -np.inf).max(axis=-2))


def _mean(values_T: np.ndarray) -> np.ndarray:
    """Mean over the last axis; NaN, without numpy's warning, where there is nothing to average."""
    if values_T.shape[-1] == 0:
        return np.full(values_T.shape[:-1], np.nan)
    return np.asarray(values_T.mean(axis=-1))
