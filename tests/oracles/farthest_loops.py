"""Farthest-first by the plain loop over all distances, each by the one formula of `sets.farthest`."""

import numpy as np


def squared(x_D, c_D):
    """‖x‖² + ‖c‖² − 2⟨x, c⟩, in float64; what is rounding of it is 0."""
    x_D, c_D = x_D.astype(np.float64), c_D.astype(np.float64)
    norms = np.vecdot(x_D, x_D) + np.vecdot(c_D, c_D)
    found = norms - 2.0 * np.vecdot(x_D, c_D)
    return 0.0 if found <= 1e-13 * norms else found


def farthest_first(points_ND, history_HD, picks):
    """The order of the first picks, and their distances."""
    nearest, order, distance = np.full(len(points_ND), np.inf), [], []
    for centre in history_HD:
        nearest = np.minimum(nearest, [squared(point, centre) for point in points_ND])
    if not len(history_HD):
        mean = points_ND.mean(axis=0, dtype=np.float64)
        nearest = np.array([np.vecdot(point - mean, point - mean) for point in points_ND.astype(np.float64)])
    for place in range(picks):
        pick = int(np.argmax(nearest))
        order.append(pick)
        distance.append(np.sqrt(nearest[pick]))
        away = [squared(point, points_ND[pick]) for point in points_ND]
        nearest = np.array(away) if place == 0 and not len(history_HD) else np.minimum(nearest, away)
        nearest[order] = -1.0
    if not len(history_HD):
        distance[0] = distance[1] if picks > 1 else 0.0
    return order, distance
