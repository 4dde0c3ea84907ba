"""What the selectors compute, written as plain loops over plain lists: slow, and obviously right."""

import itertools
import math

import numpy as np

from farsighted.core.values import Signals


def signals_of(context=None, **rows):
    """Signals from plain lists; the ids are a0, a1, ..."""
    arrays = {name: np.array(values) for name, values in rows.items()}
    count = len(next(iter(arrays.values())))
    return Signals(
        tuple(f"a{row}" for row in range(count)), arrays, {k: np.array(v) for k, v in (context or {}).items()}
    )


def distance(one, other):
    return math.sqrt(math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)))


def inner(one, other):
    return math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def mean_of(points):
    return [math.fsum(float(point[i]) for point in points) / len(points) for i in range(len(points[0]))]


def cosine(one, other):
    length = math.sqrt(inner(one, one)) * math.sqrt(inner(other, other))
    return inner(one, other) / length if length else 0.0


def first_largest(values, rows):
    best = None
    for row in rows:
        if best is None or values[row] > values[best]:
            best = row
    return best


def rank01(values):
    """For each value, the share of the others below it, a tie counting half."""
    if len(values) == 1:
        return [0.5]
    ranks = []
    for i, value in enumerate(values):
        others = [other for j, other in enumerate(values) if j != i]
        ranks.append(sum(1.0 if other < value else 0.5 if other == value else 0.0 for other in others) / len(others))
    return ranks


def farthest_first(points, history):
    """Order and distance at pick, measuring every remaining point against everything picked, every time."""
    centre, picked, left, at_pick = mean_of(points), [], list(range(len(points))), {}
    while left:
        known = [*history, *(points[row] for row in picked)]
        if known:
            away = {row: min(distance(points[row], other) for other in known) for row in left}
        else:
            away = {row: distance(points[row], centre) for row in left}
        pick = first_largest(away, left)
        at_pick[pick] = away[pick]
        picked.append(pick)
        left.remove(pick)
    if not len(history):
        at_pick[picked[0]] = at_pick[picked[1]] if len(picked) > 1 else 0.0
    return picked, [at_pick[row] for row in range(len(points))]


def best_cover_radius(points, size):
    """The smallest possible largest distance to the nearest of `size` centres, over all choices of centres."""
    choices = itertools.combinations(range(len(points)), size)
    return min(cover_radius(points, chosen) for chosen in choices)


def cover_radius(points, chosen):
    return max(min(distance(point, points[row]) for row in chosen) for point in points)


def round_robin(points, cluster, served):
    """One pick at a time: the least-served cluster that has candidates, then its candidate nearest to its mean."""
    served, left, order = list(served), list(range(len(points))), []
    centre = {c: mean_of([points[row] for row in left if cluster[row] == c]) for c in set(cluster)}
    while left:
        turn = min({cluster[row] for row in left}, key=lambda c: (served[c], c))
        pick = min((row for row in left if cluster[row] == turn), key=lambda row: distance(points[row], centre[turn]))
        order.append(pick)
        left.remove(pick)
        served[turn] += 1
    return order


def mean_distance(row, memory):
    return math.fsum(distance(row, other) for other in memory) / len(memory) if len(memory) else 0.0


def z_scores(values):
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / spread if spread else 0.0 for value in values]


def online_k_means(points, limit):
    """Clusters as lists of members: a centroid is the mean of its members, nothing else is remembered."""
    members = []
    for point in points:
        away = [distance(point, mean_of(cluster)) for cluster in members]
        if len(members) < limit and (not away or min(away) > 1e-6):
            members.append([point])
        else:
            members[away.index(min(away))].append(point)
    return [mean_of(cluster) for cluster in members], [len(cluster) for cluster in members]


def strongest_directions(gradients, count):
    """Top eigenvectors (as rows) of the sum of g g', by an exact symmetric eigendecomposition."""
    moment = sum(np.outer(gradient, gradient) for gradient in np.asarray(gradients, dtype=np.float64))
    values, vectors = np.linalg.eigh(moment)
    kept = [i for i in range(len(values))[::-1] if values[i] > 1e-10 * values[-1]][:count]
    return vectors[:, kept].T


def concentration(row_cluster, gradient, clusters, counts, gradients, directions):
    """a of Eq. 5 for one candidate, from the whole list of gradients in the history."""
    total = sum(counts)
    share = counts[row_cluster] / total if total else 0.0
    over = min(1.0, max(0.0, (share - 1 / clusters) / (1 - 1 / clusters))) if clusters > 1 and total else 0.0
    along = 0.0
    if len(gradients) and inner(gradient, gradient):
        unit = np.asarray(gradient, dtype=np.float64) / math.sqrt(inner(gradient, gradient))
        along = sum(inner(unit, direction) ** 2 for direction in strongest_directions(gradients, directions))
    return 0.5 * over + 0.5 * along


def lhas(selector, utility, signals, centroids, counts, gradients):
    """Eq. 5, every term of every candidate computed from scratch before every pick."""
    embedding, sketch, cluster = signals["embedding"], signals["head_sketch"], signals["cluster"]
    clusters, counts, gradients = int(signals["cluster_count"]), list(counts), list(gradients)
    u, everyone = rank01(list(utility)), range(len(utility))
    p = [cosine(sketch[row], signals["proxy_sketch"]) for row in everyone]
    known, left, order, at_pick = list(centroids), list(everyone), [], {}
    while left:
        nearest = [min((distance(embedding[row], point) for point in known), default=0.0) for row in everyone]
        c = rank01(nearest) if known else [0.0 for _ in everyone]
        a = [
            concentration(cluster[row], sketch[row], clusters, counts, gradients, selector.directions)
            for row in everyone
        ]
        s = [u[i] + selector.lambda_ * c[i] + selector.eta * p[i] - selector.rho * a[i] for i in everyone]
        pick = first_largest(s, left)
        order.append(pick)
        at_pick[pick] = (s[pick], c[pick], a[pick])
        left.remove(pick)
        known.append(embedding[pick])
        counts[cluster[pick]] += 1
        gradients.append(sketch[pick])
    score, coverage, concentrated = zip(*(at_pick[row] for row in everyone), strict=True)
    return order, {"score": score, "utility": u, "coverage": coverage, "proxy": p, "concentration": concentrated}
