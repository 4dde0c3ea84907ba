"""Slow, literal versions of the metrics: plain loops over plain lists, one cell at a time."""

import itertools
import math

import numpy as np

NAN = float("nan")


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else NAN


def matrix_metrics(R):
    """Every scalar of definitions.md#scores from R[i][j], i = 0..T, j = 1..T (stage j at j - 1); no NaN expected."""
    T = len(R) - 1
    cell = {(i, j): R[i][j - 1] for i in range(T + 1) for j in range(1, T + 1)}
    final = [cell[T, j] for j in range(1, T + 1)]
    average = mean(final)
    drops = [max(cell[stage, t] for stage in range(t, T + 1)) - cell[T, t] for t in range(1, T + 1)]
    return {
        "current": mean(cell[t, t] for t in range(1, T + 1)),
        "immediate_gain": mean(cell[t, t] - cell[t - 1, t] for t in range(1, T + 1)),
        "final_average": average,
        "forgetting": mean(drops[: T - 1]),
        "forgetting_chaudhry": mean(max(cell[s, t] for s in range(t, T)) - cell[T, t] for t in range(1, T)),
        "forgetting_gem_bwt": mean(cell[T, i] - cell[i, i] for i in range(1, T)),
        "forgetting_avalanche": mean(cell[i, i] - cell[T, i] for i in range(1, T)),
        "forward_transfer": mean(cell[t - 1, t] - cell[0, t] for t in range(2, T + 1)),
        "capability_imbalance": math.sqrt(mean((score - average) ** 2 for score in final)),
        "worst_task": min(final),
    }


def needed_cells(name, T):
    """Cells (i, j) that a metric of the matrix reads, j = 1..T."""
    stages = range(1, T + 1)
    return {
        "current": {(t, t) for t in stages},
        "immediate_gain": {(i, t) for t in stages for i in (t - 1, t)},
        "final_average": {(T, j) for j in stages},
        "forgetting": {(s, t) for t in range(1, T) for s in range(t, T + 1)},
        "forgetting_chaudhry": {(s, t) for t in range(1, T) for s in range(t, T + 1)},
        "forgetting_gem_bwt": {(i, t) for t in range(1, T) for i in (t, T)},
        "forgetting_avalanche": {(i, t) for t in range(1, T) for i in (t, T)},
        "forward_transfer": {(i, t) for t in range(2, T + 1) for i in (0, t - 1)},
        "capability_imbalance": {(T, j) for j in stages},
        "worst_task": {(T, j) for j in stages},
    }[name]


def area(tokens, scores):
    """Trapezoids one by one."""
    pieces = [(tokens[p + 1] - tokens[p]) * (scores[p] + scores[p + 1]) / 2 for p in range(len(tokens) - 1)]
    return sum(pieces) / (100 * tokens[-1])


def first_crossing(tokens, scores, threshold):
    """(tokens, censored) by walking along the curve, segment by segment."""
    if scores[0] >= threshold:
        return 0.0, False
    for p in range(len(tokens) - 1):
        if scores[p + 1] >= threshold:
            share = (threshold - scores[p]) / (scores[p + 1] - scores[p])
            return tokens[p] + share * (tokens[p + 1] - tokens[p]), False
    return tokens[-1], True


def rank(scores):
    """Mean rank, 1 = best, by counting who is better and who is equal."""
    return [
        1 + sum(other > own for other in scores) + (sum(other == own for other in scores) - 1) / 2 for own in scores
    ]


def myopia(immediate_KZ, long_KZ):
    """(family, contributions, signed) of Eq. 3, seed by seed."""
    K, Z = len(immediate_KZ), len(immediate_KZ[0])
    changes = []
    for z in range(Z):
        by_immediate = rank([immediate_KZ[k][z] for k in range(K)])
        by_long = rank([long_KZ[k][z] for k in range(K)])
        changes.append([(by_long[k] - by_immediate[k]) / (K - 1) for k in range(K)])
    contribution = [mean(abs(changes[z][k]) for z in range(Z)) for k in range(K)]
    return mean(contribution), contribution, [mean(changes[z][k] for z in range(Z)) for k in range(K)]


def concentration(gradients, eps):
    """Eq. 4 as written: the K x K second moment as a sum of outer products, all eigenvalues."""
    width = len(gradients[0])
    moment = np.zeros((width, width))
    for gradient in gradients:
        moment += np.outer(gradient, gradient)
    moment /= len(gradients)
    return np.linalg.eigvalsh(moment).max() / (moment.trace() + eps)


def spikes(values, factor, window, warmup):
    """Positions of spikes, from the definition, looking back from each value afresh."""
    found = []
    for i, value in enumerate(values):
        past = [v for v in values[:i] if math.isfinite(v)]
        recent = sorted(past[-window:])
        if len(past) < warmup or not math.isfinite(value):
            continue
        middle = len(recent) // 2
        median = recent[middle] if len(recent) % 2 else (recent[middle - 1] + recent[middle]) / 2
        if value > factor * median:
            found.append(i)
    return found


def all_two_way_means(scores_ZI):
    """Mean of every possible draw of Z seeds and I items, each equally likely."""
    Z, number = len(scores_ZI), len(scores_ZI[0])
    return [
        mean(scores_ZI[z][i] for z in seeds for i in items)
        for seeds in itertools.product(range(Z), repeat=Z)
        for items in itertools.product(range(number), repeat=number)
    ]
