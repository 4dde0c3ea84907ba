"""Literal versions of the theory: sums over components, and moments of random directions written out."""

import itertools


def loss(theta, optimum, curvature):
    """Eq. 6, term by term."""
    offset = [a - b for a, b in zip(theta, optimum, strict=True)]
    pairs = itertools.product(range(len(offset)), repeat=2)
    return sum(offset[i] * curvature[i][j] * offset[j] for i, j in pairs) / 2


def gaussian_fourth_moment(S, i, j, k, m):
    """E[f_i f_j f_k f_m] of N(0, S), by Isserlis."""
    return S[i][j] * S[k][m] + S[i][k] * S[j][m] + S[i][m] * S[j][k]


def sphere_fourth_moment(D, i, j, k, m):
    """E[f_i f_j f_k f_m] of a direction uniform on the sphere."""
    return ((i == j) * (k == m) + (i == k) * (j == m) + (i == m) * (j == k)) / (D * (D + 2))


def form_moments(A, second_moment, fourth_moment):
    """Mean and variance of f'A f from the second and fourth moments of f."""
    D = range(len(A))
    mean = sum(A[i][j] * second_moment(i, j) for i, j in itertools.product(D, repeat=2))
    square = sum(A[i][j] * A[k][m] * fourth_moment(i, j, k, m) for i, j, k, m in itertools.product(D, repeat=4))
    return mean, square - mean**2
