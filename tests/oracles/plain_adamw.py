"""AdamW with clipping, warm-up and a schedule, written out in numpy from its definition."""

import math

import numpy as np

BETAS, EPSILON = (0.9, 0.999), 1e-8


def rate(schedule, step, steps, warmup):
    """Share of the learning rate at step 0, 1, ...: linear warm-up from 0, then the schedule down to 0."""
    if step < warmup:
        return step / warmup
    done = (step - warmup) / (steps - warmup)
    return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[schedule]


def adamw(start, gradients, rates, weight_decay, grad_clip):
    """Return the vector after a step with each gradient, at each learning rate (Loshchilov & Hutter 2019)."""
    value, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for number, (gradient, learning_rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        gradient = gradient * min(1.0, grad_clip / (np.linalg.norm(gradient) + 1e-6))
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        value = value * (1 - learning_rate * weight_decay)
        corrected = first / (1 - BETAS[0] ** number), second / (1 - BETAS[1] ** number)
        value = value - learning_rate * corrected[0] / (np.sqrt(corrected[1]) + EPSILON)
    return value
