"""Cells of the paper's seven selectors whose metrics are, to the digit, what a test asks for."""

import numpy as np

from farsighted.core.names import FAMILIES
from farsighted.paper.published import TABLE_1, TABLE_2
from farsighted.results.audit import measure_audit
from oracles.fabricated_cells import Wanted, make_audit, make_cell

SCORES = ("current", "future_auc", "forgetting", "ood", "worst_task")
DIAGNOSTICS = ("capability_entropy", "mean_difficulty", "mean_quality", "update_concentration")


def papers_values():
    """Family to its row of the paper's Tables 1 and 2."""
    columns = TABLE_1 | TABLE_2
    return {family: {key: columns[key][family].mean for key in (*SCORES, *DIAGNOSTICS)} for family in FAMILIES}


def exchanged(values, *pairs):
    """The values with families in each other's place."""
    swap = dict(pairs) | {b: a for a, b in pairs}
    return {family: values[swap.get(family, family)] for family in FAMILIES}


def changed(values, **changes):
    """The values with a number added: `changed(values, current={"lhas": 3})`, or to all: `current=3`."""
    return {
        family: row
        | {key: row[key] + (by.get(family, 0) if isinstance(by, dict) else by) for key, by in changes.items()}
        for family, row in values.items()
    }


def scored(current, future_auc, forgetting, ood, worst_task, **_):
    """Three stages with these metrics: the first is learned worst by as much as its final score has to be the lowest.

    Stages 1 and 2 lose `forgetting` each; diagonal (c - 2s, c + s, c + s), so that worst = c - 2s - forgetting.
    """
    shift = (current - worst_task - forgetting) / 2
    assert shift >= 0, "the worst task must be the first"
    first, second = current - 2 * shift, current + shift
    matrix = [
        [20.0, 20.0, 20.0],
        [first, 20.0, 20.0],
        [first - forgetting / 2, second, 20.0],
        [first - forgetting, second - forgetting, second],
    ]
    middle = 100 * future_auc
    curve = [(0.0, middle - 10), (100.0, middle), (200.0, middle + 10)]
    return Wanted(matrix, {"shifted": ood}, [curve] * 2, [curve] * 2)


def family_cells(values, seeds=(0, 1), spread=0.1, **meta):
    """One cell a family and seed; `values` as from `papers_values`, or a function from a seed to such."""
    cells = []
    for seed in seeds:
        for family, row in (values(seed) if callable(values) else values).items():
            run = {key: row[key] for key in DIAGNOSTICS}
            cells.append(make_cell(family, seed, scored(**row), spread=spread, family=family, run=run, **meta))
    return cells


def noisy(values):
    """The values of seeds 0 and 1, thrown apart by more than they differ: up in one seed, down in the other.

    A mean over both is what it was; the worst task goes along with current score and forgetting.
    """
    rng = np.random.default_rng(0)
    thrown = {family: {key: _NOISE[key] * rng.normal() for key in _NOISE} for family in values}

    def of_seed(seed):
        rows = {}
        for family, row in values.items():
            moved = {key: row[key] + (1 - 2 * seed) * by for key, by in thrown[family].items()}
            along = (moved["current"] - row["current"]) - (moved["forgetting"] - row["forgetting"])
            rows[family] = {**row, **moved, "worst_task": row["worst_task"] + along}
        return rows

    return of_seed


_NOISE = {"current": 20, "future_auc": 0.2, "forgetting": 2, "ood": 20}
_NOISE |= {"capability_entropy": 2, "mean_difficulty": 1, "mean_quality": 1, "update_concentration": 1}


def measured(cells, resamples=200):
    """The groups of these cells and the settings of their audit."""
    audit = measure_audit(cells, make_audit(cells, resamples=resamples))
    return audit.groups, audit.settings
