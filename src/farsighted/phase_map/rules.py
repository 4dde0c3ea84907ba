"""Rules of thumb: what the measured place of the pools foretells of a difference, and how much better than its mean.

Candidates are a tree of at most two questions in a row and a straight line; both are judged by cross-validation beside
the trivial rule, the mean of all points. Shape letters: P points, C coordinates, F folds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, final

import numpy as np
from typing_extensions import TypedDict

from farsighted.core.errors import DataError
from farsighted.core.rng import MAP_FOLDS, stream

COORDINATES: Final = ("alignment", "redundancy", "noise", "budget", "rank")
"""What rules look at, as measured: all in 0..1."""
LEAST: Final = 20
"""Points below which no rule is fitted."""
_FOLDS: Final = 10
_LEAF: Final = 0.08
"""Least share of the points in a leaf."""


class MeanForm(TypedDict):
    """The same everywhere."""

    kind: Literal["mean"]
    value: float


class LineForm(TypedDict):
    """A straight line in the coordinates."""

    kind: Literal["line"]
    intercept: float
    slopes: dict[str, float]


@final
class Leaf(TypedDict):
    """The end of a tree's branch."""

    value: float
    points: int
    """That it was fitted to."""


@final
class Fork(TypedDict):
    """A question of a tree: is the coordinate at most the cut?"""

    coordinate: str
    cut: float
    below: "Node"
    above: "Node"


Node = Leaf | Fork


class TreeForm(TypedDict):
    """A tree of at most two questions in a row."""

    kind: Literal["tree"]
    root: Node


Form = MeanForm | LineForm | TreeForm
"""What a rule predicts with; see `predict`."""


class RuleRecord(TypedDict):
    """A rule in map.json."""

    form: Form
    candidate: str
    error: float
    trivial_error: float
    better: bool
    residuals: list[float | None]
    """By point; null where nothing was measured."""


Fitter = Callable[[np.ndarray, np.ndarray], Form]


@dataclass(frozen=True, slots=True)
class Rule:
    """A fitted rule, and how good it is."""

    form: Form
    """What predicts: the better of tree and line, or the mean where neither is better than that."""
    candidate: str
    """The better of tree and line."""
    error: float
    """Its root mean squared error, cross-validated."""
    trivial_error: float
    """That of the mean of the other folds."""
    better: bool
    """Whether its squared errors are smaller by more than two standard errors of the paired difference."""
    residuals_P: np.ndarray
    """(P,) true minus predicted by the form that predicts, each out of its fold; NaN where nothing was measured."""


def fit_rule(place_PC: np.ndarray, difference_P: np.ndarray) -> Rule:
    """Return the rule of thumb of a difference; rows that are not finite take no part.

    Raises:
        DataError: less than 20 points.
    """
    known_P = np.isfinite(difference_P) & np.isfinite(place_PC).all(axis=1)
    x_PC, y_P = place_PC[known_P], difference_P[known_P]
    if len(y_P) < LEAST:
        raise DataError(
            f"A rule needs at least {LEAST} points that were measured, but there are {len(y_P)}. Raise --points."
        )
    fitters: dict[str, Fitter] = {"mean": _mean, "tree": _tree, "line": _line}
    out = {name: _out_of_fold(fit, x_PC, y_P) for name, fit in fitters.items()}
    squares = {name: (y_P - predicted_P) ** 2 for name, predicted_P in out.items()}
    candidate = min(("tree", "line"), key=lambda name: float(squares[name].mean()))
    gain_P = squares["mean"] - squares[candidate]
    better = bool(gain_P.mean() > 2 * gain_P.std(ddof=1) / np.sqrt(len(gain_P)))
    chosen = candidate if better else "mean"
    residuals_P = np.full(len(difference_P), np.nan)
    residuals_P[known_P] = y_P - out[chosen]
    error, trivial = (float(np.sqrt(squares[name].mean())) for name in (candidate, "mean"))
    return Rule(fitters[chosen](x_PC, y_P), candidate, error, trivial, better, residuals_P)


def predict(form: Form, place_PC: np.ndarray) -> np.ndarray:
    """Return what a rule foretells at places without gaps, (P,).

    >>> predict({"kind": "line", "intercept": 1.0, "slopes": {"noise": 2.0}}, np.array([[0, 0, 0.5, 0, 0]])).tolist()
    [2.0]
    """
    if form["kind"] == "mean":
        return np.full(len(place_PC), form["value"], dtype=np.float64)
    if form["kind"] == "line":
        slopes_C = np.array([form["slopes"].get(name, 0.0) for name in COORDINATES])
        found_P: np.ndarray = form["intercept"] + place_PC @ slopes_C
        return found_P
    return np.array([_leaf(form["root"], place_C) for place_C in place_PC])


def sentence(form: Form, unit: str = "") -> str:
    """Return a rule in words, differences with three digits."""
    if form["kind"] == "mean":
        return f"{form['value']:+.3g}{unit} everywhere"
    if form["kind"] == "line":
        ordered = sorted(form["slopes"].items(), key=lambda item: -abs(item[1]))
        parts = [f"{slope / 10:+.2g} for each 0.1 of {name}" for name, slope in ordered if slope]
        return f"{form['intercept']:+.3g}{unit}, and {', '.join(parts)}"
    return "; ".join(f"{mean:+.3g}{unit} {where}" for where, mean in _leaves(form["root"], ()))


def _leaves(node: Node, path: tuple[str, ...]) -> list[tuple[str, float]]:
    if "value" in node:
        return [("where " + " and ".join(path) if path else "everywhere", float(node["value"]))]
    name, cut = node["coordinate"], node["cut"]
    below = _leaves(node["below"], (*path, f"{name} ≤ {cut:.2f}"))
    return below + _leaves(node["above"], (*path, f"{name} > {cut:.2f}"))


def _leaf(node: Node, place_C: np.ndarray) -> float:
    while "value" not in node:
        below = place_C[COORDINATES.index(node["coordinate"])] <= node["cut"]
        node = node["below" if below else "above"]
    return float(node["value"])


def _out_of_fold(fit: Fitter, x_PC: np.ndarray, y_P: np.ndarray) -> np.ndarray:
    """Predict each point by what was fitted to the other folds; folds are drawn once for all rules."""
    fold_P = stream(0, "eval", MAP_FOLDS).permutation(len(y_P)) % _FOLDS
    out_P = np.empty(len(y_P))
    for fold in range(_FOLDS):
        out_P[fold_P == fold] = predict(fit(x_PC[fold_P != fold], y_P[fold_P != fold]), x_PC[fold_P == fold])
    return out_P


def _mean(_x_PC: np.ndarray, y_P: np.ndarray) -> Form:
    return {"kind": "mean", "value": float(y_P.mean())}


def _line(x_PC: np.ndarray, y_P: np.ndarray) -> Form:
    ones_PC = np.column_stack([np.ones(len(y_P)), x_PC])
    weights, *_ = np.linalg.lstsq(ones_PC, y_P, rcond=None)
    return {
        "kind": "line",
        "intercept": float(weights[0]),
        "slopes": dict(zip(COORDINATES, weights[1:].tolist(), strict=True)),
    }


def _tree(x_PC: np.ndarray, y_P: np.ndarray) -> Form:
    # Scikit-learn takes a second to import, and advice needs no fitting.
    from sklearn.tree import DecisionTreeRegressor

    leaf = max(3, round(_LEAF * len(y_P)))
    tree = DecisionTreeRegressor(max_depth=2, min_samples_leaf=leaf, random_state=0).fit(x_PC, y_P).tree_
    return {"kind": "tree", "root": _node(tree, 0)}


class Tree(Protocol):
    """A tree of scikit-learn: a row a node, -1 = no child."""

    children_left: np.ndarray
    children_right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    n_node_samples: np.ndarray


def _node(tree: Tree, place: int) -> Node:
    below, above = int(tree.children_left[place]), int(tree.children_right[place])
    if below < 0:
        return {"value": float(tree.value[place].item()), "points": int(tree.n_node_samples[place])}
    return {
        "coordinate": COORDINATES[int(tree.feature[place])],
        "cut": float(tree.threshold[place]),
        "below": _node(tree, below),
        "above": _node(tree, above),
    }


def rule_json(rule: Rule, digits: int = 5) -> RuleRecord:
    """Return a rule as a JSON value; residuals with so many significant digits, None where there is none."""
    return {
        "form": rule.form,
        "candidate": rule.candidate,
        "error": rule.error,
        "trivial_error": rule.trivial_error,
        "better": rule.better,
        "residuals": [None if np.isnan(value) else float(f"{value:.{digits}g}") for value in rule.residuals_P.tolist()],
    }


def rule_of(value: RuleRecord) -> Rule:
    """Return the rule of a JSON value."""
    residuals_P = np.array([np.nan if one is None else one for one in value["residuals"]])
    return Rule(value["form"], value["candidate"], value["error"], value["trivial_error"], value["better"], residuals_P)
