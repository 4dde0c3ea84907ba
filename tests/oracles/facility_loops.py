"""Facility location by loops over all gains: slow, and obviously right."""

import itertools
import math


def cosine(one, other):
    found = math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    return max(0.0, found / math.sqrt(math.fsum(float(a) ** 2 for a in one) * math.fsum(float(b) ** 2 for b in other)))


def facility_location(points, history, neighbours):
    """Order and gain at pick; the gain of every candidate is computed anew before every pick."""
    everyone = range(len(points))
    alike = [[cosine(points[i], points[j]) if i != j else 1.0 for j in everyone] for i in everyone]
    lists = [sorted(everyone, key=lambda j: -alike[i][j])[:neighbours] for i in everyone]
    served = []
    for i in everyone:
        least = alike[i][lists[i][-1]] if neighbours < len(points) else 0.0
        near = [cosine(points[i], past) for past in history]
        served.append(max((value for value in near if value >= least), default=0.0))
    left, order, at_pick = list(everyone), [], [0.0] * len(points)
    while left:
        gain = {j: math.fsum(max(0.0, alike[i][j] - served[i]) for i in everyone if j in lists[i]) for j in left}
        pick = max(left, key=lambda j: (round(gain[j], 12), -j))
        order.append(pick)
        at_pick[pick] = gain[pick]
        left.remove(pick)
        served = [max(served[i], alike[i][pick]) if pick in lists[i] else served[i] for i in everyone]
    return order, at_pick


def coverage(points, chosen):
    return math.fsum(max(cosine(point, points[row]) for row in chosen) for point in points)


def best_coverage(points, size):
    return max(coverage(points, chosen) for chosen in itertools.combinations(range(len(points)), size))
