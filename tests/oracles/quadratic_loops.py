"""The quadratic learner, one example and one coordinate at a time."""

import math

import numpy as np


def loss(direction, target, weight):
    """(x·w - y)^2 / 2 by a plain sum."""
    guess = sum(float(x) * float(w) for x, w in zip(direction, weight, strict=True))
    return (guess - float(target)) ** 2 / 2


def gradient(direction, target, weight, subspace):
    """The gradient of the loss in the coordinates of the subspace's columns."""
    error = sum(float(x) * float(w) for x, w in zip(direction, weight, strict=True)) - float(target)
    return [error * sum(float(x) * float(p) for x, p in zip(direction, column, strict=True)) for column in subspace.T]


def descended(directions, targets, subspace, start, rate):
    """Coordinates after one step of gradient descent on the mean loss."""
    weight = subspace @ start
    found = [gradient(x, y, weight, subspace) for x, y in zip(directions, targets, strict=True)]
    mean = [math.fsum(row[r] for row in found) / len(found) for r in range(len(start))]
    return np.array([z - rate * g for z, g in zip(start, mean, strict=True)])
