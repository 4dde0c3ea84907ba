"""Proposition 1 as a check that can be run: what an update for this stage does to the next (paper, §3.1 and B.1).

P problems, D parameters, M gradients of a selected set. "..." are leading axes, one problem an entry.
"""

from dataclasses import dataclass

import numpy as np

from farsighted.metrics.intervals import Interval


@dataclass(frozen=True, slots=True)
class QuadraticTask:
    """A stage whose loss is a quadratic form around its optimum."""

    curvature_DD: np.ndarray
    """H, symmetric and positive semi-definite: (..., D, D)."""
    optimum_D: np.ndarray
    """theta*: (..., D)."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """The loss after a step, measured and taken apart into the three terms of Eq. 8; each (...)."""

    before: np.ndarray
    """L(theta)."""
    linear: np.ndarray
    """-eta <g, H (theta - theta*)>."""
    quadratic: np.ndarray
    """eta^2/2 g' H g; never negative."""
    after: np.ndarray
    """L(theta - eta g) by Eq. 6, not by the expansion."""

    @property
    def residual(self) -> np.ndarray:
        """|after - before - linear - quadratic| / (before + |linear| + quadratic): rounding, or Eq. 8 is wrong."""
        size = self.before + np.abs(self.linear) + self.quadratic
        gap = np.abs(self.after - self.before - self.linear - self.quadratic)
        return np.asarray(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0))


@dataclass(frozen=True, slots=True)
class Problems:
    """P independent cases of the proposition: the model's parameters, two tasks, two selected sets."""

    theta_PD: np.ndarray
    current: QuadraticTask
    following: QuadraticTask
    update_a_PD: np.ndarray
    """The mean gradient of the first set."""
    update_b_PD: np.ndarray
    """The mean gradient of the second set, before it is scaled to gain as much."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the random problems are."""

    problems: int
    dimensions: int = 16
    picked: int = 8
    spread: float = 2.0
    """Length of an example's deviation from the task's gradient, in lengths of that gradient."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of a number of independent cases."""

    hits: int
    cases: int

    @property
    def value(self) -> float:
        """The hits over the cases; NaN without a case."""
        return self.hits / self.cases if self.cases else float("nan")

    @property
    def interval(self) -> Interval:
        """The 95 % interval of Wilson for a binomial share."""
        if self.cases == 0:
            return Interval(float("nan"), float("nan"))
        from scipy import stats  # It takes longer to import than the rest of the package.

        found = stats.binomtest(self.hits, self.cases).proportion_ci(0.95, method="wilson")
        return Interval(float(found.low), float(found.high))


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """What became of Proposition 1 at one step size, problem by problem."""

    step_size: float
    paired_P: np.ndarray
    """Whether there is a pair: the first set improves, and a positive multiple of the second does as much."""
    right_P: np.ndarray
    """Whether of a pair the set with the smaller projection has the higher next-stage loss."""
    opposed_P: np.ndarray
    """Whether the quadratic terms of a pair differ against the linear ones: only then can it contradict."""
    gain_error: float
    """Largest difference of the two current gains of a pair, relative to the loss before."""
    residual: float
    """Largest residual of Eq. 8."""

    @property
    def predicted(self) -> Share:
        """How many pairs behave as the proposition says."""
        return Share(int(self.right_P.sum()), int(self.paired_P.sum()))

    @property
    def counterexamples(self) -> int:
        """How many pairs meet every condition of the proposition as stated and contradict it."""
        return self.predicted.cases - self.predicted.hits


def next_stage_loss(theta_D: np.ndarray, task: QuadraticTask) -> np.ndarray:
    """Return L(theta) = 1/2 (theta - theta*)' H (theta - theta*): (..., D) to (...).

    *Reference:* paper, Eq. 6.

    >>> float(next_stage_loss(np.array([1.0, 3.0]), QuadraticTask(np.diag([2.0, 1.0]), np.array([0.0, 1.0]))))
    3.0
    """
    offset = theta_D - task.optimum_D
    return _form(offset, task.curvature_DD, offset) / 2


def expand(theta_D: np.ndarray, task: QuadraticTask, update_D: np.ndarray, step_size: float) -> Expansion:
    """Return L(theta - eta g) = L(theta) - eta <g, H (theta - theta*)> + eta^2/2 g' H g, term by term.

    `theta_D` and the mean gradient `update_D` are (..., D).

    *Reference:* paper, Eqs. 7 and 8.
    """
    return Expansion(
        before=next_stage_loss(theta_D, task),
        linear=-step_size * _form(update_D, task.curvature_DD, theta_D - task.optimum_D),
        quadratic=step_size**2 / 2 * _form(update_D, task.curvature_DD, update_D),
        after=next_stage_loss(theta_D - step_size * update_D, task),
    )


def draw_problems(rng: np.random.Generator, sizes: Sizes) -> Problems:
    """Return random problems: theta = 0, optima from N(0, I), H = A A' scaled to largest eigenvalue 1, A (D, D) normal.

    An example's gradient is that of the current task plus `spread` times its length times N(0, I/D); the two sets share
    no example. The step size is therefore in units of 1 / lambda_max of either task.
    """
    shape = (sizes.problems, sizes.dimensions)
    theta_PD = np.zeros(shape)
    current, following = (QuadraticTask(_curvature(rng, shape), rng.normal(size=shape)) for _ in range(2))
    descent_PD = _times(current.curvature_DD, theta_PD - current.optimum_D)
    length_P = np.linalg.norm(descent_PD, axis=-1)
    noise = rng.normal(size=(2, sizes.problems, sizes.picked, sizes.dimensions)) / np.sqrt(sizes.dimensions)
    gradient_2PMD = descent_PD[:, None] + sizes.spread * length_P[:, None, None] * noise
    return Problems(theta_PD, current, following, *gradient_2PMD.mean(axis=2))


def matching_scale(first: Expansion, second: Expansion) -> np.ndarray:
    """Return the s > 0 for which the update s g_b gains as much on a task as g_a does, from their expansions: (...).

    With Delta = linear_a + quadratic_a < 0, the change that g_a makes, quadratic_b s^2 + linear_b s = Delta. Of two
    roots this is the smaller, which tends to the ratio of the linear terms as eta tends to 0. NaN where g_a does not
    improve, g_b points uphill, or no multiple of g_b gains that much.

    >>> a = Expansion(np.array(2.0), np.array(-1.0), np.array(0.25), np.array(1.25))
    >>> float(matching_scale(a, Expansion(np.array(2.0), np.array(-2.0), np.array(1.0), np.array(1.0))))
    0.5
    """
    change = first.linear + first.quadratic
    square = second.linear**2 + 4 * second.quadratic * change
    possible = (change < 0) & (second.linear < 0) & (square >= 0)
    root = np.sqrt(np.where(possible, square, np.nan))
    return np.asarray(2 * change / np.where(possible, second.linear - root, np.nan))


def check_order(problems: Problems, step_size: float) -> OrderCheck:
    """Return how often the linear terms alone tell which of two sets of equal current gain has the higher loss next.

    The second set's gradients are scaled by `matching_scale`, so current gains are equal at this very step size. By
    Eq. 8, L_a - L_b = (linear_a - linear_b) + (quadratic_a - quadratic_b): where the two differences agree in sign the
    proposition holds at any step size; where they do not, it fails as soon as the second is the larger.

    *Differs from the paper:* the statement of Proposition 1 has no condition on eta; its proof has. What the statement
    gets wrong is counted.

    *Reference:* paper, Proposition 1 and Eq. 9.
    """
    theta, current, following = problems.theta_PD, problems.current, problems.following
    update_a = problems.update_a_PD
    gain_a = expand(theta, current, update_a, step_size)
    scale = matching_scale(gain_a, expand(theta, current, problems.update_b_PD, step_size))
    paired = np.isfinite(scale)
    update_b = np.where(paired, scale, 0.0)[:, None] * problems.update_b_PD
    gain_b = expand(theta, current, update_b, step_size)
    next_a = expand(theta, following, update_a, step_size)
    next_b = expand(theta, following, update_b, step_size)
    linear = np.sign(next_a.linear - next_b.linear)
    gap = np.abs(gain_a.after - gain_b.after) / gain_a.before
    residuals = [part.residual[paired].max(initial=0.0) for part in (gain_a, gain_b, next_a, next_b)]
    return OrderCheck(
        step_size=step_size,
        paired_P=paired,
        right_P=paired & (np.sign(next_a.after - next_b.after) == linear),
        opposed_P=paired & (np.sign(next_a.quadratic - next_b.quadratic) == -linear),
        gain_error=float(gap[paired].max(initial=0.0)),
        residual=float(max(residuals)),
    )


def _form(left_D: np.ndarray, matrix_DD: np.ndarray, right_D: np.ndarray) -> np.ndarray:
    return np.asarray((left_D * _times(matrix_DD, right_D)).sum(axis=-1))


def _times(matrix_DD: np.ndarray, vector_D: np.ndarray) -> np.ndarray:
    return np.asarray((matrix_DD @ vector_D[..., None])[..., 0])


def _curvature(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    factor_PDD = rng.normal(size=(*shape, shape[1]))
    product_PDD = factor_PDD @ np.swapaxes(factor_PDD, -1, -2)
    return np.asarray(product_PDD / np.linalg.eigvalsh(product_PDD)[:, -1, None, None])
