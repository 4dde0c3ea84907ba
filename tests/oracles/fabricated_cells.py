"""Cells with known scores: what a run would leave on disk, made from the numbers that a test wants to see."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from farsighted.results.audit import measure_audit
from farsighted.results.build import build_results
from farsighted.results.items import read_items
from farsighted.store.layout import Layout
from farsighted.store.reader import CellArtifacts
from farsighted.store.schema import SCORES, SELECTIONS
from farsighted.store.writer import write_cell, write_plan
from oracles.whole_records import cell_record, config_record, plan_record, statistics_record

STAGES = ("general", "math", "code")


@dataclass
class Wanted:
    """The scores of a cell; every set's mean is what stands here."""

    matrix: list  # T+1 rows of T scores; None where not evaluated
    ood: dict  # OOD set -> score of the final model
    neutral: list  # one curve [(tokens, score), ...] a stage but the last
    own: list


def wanted(gain=40.0, fall=5.0, ood=50.0, start=20.0, rise=40.0, stages=STAGES):
    """A selector that lifts each stage from 20 by `gain`, and loses `fall` on it with every later stage."""
    T = len(stages)
    matrix = [
        [20.0 + gain - fall * (i - j) if j <= i else 20.0 for j in range(1, T + 1)]  # row 0, the base: all 20
        for i in range(T + 1)
    ]
    curve = [(0.0, start), (100.0, start + rise / 2), (200.0, start + rise)]
    return Wanted(matrix, {"shifted": ood}, [curve] * (T - 1), [curve] * (T - 1))


def make_cell(selector, seed, scores, *, items=4, spread=10.0, stages=STAGES, chosen=None, **meta):
    """Item scores alternate between mean + spread and mean - spread, so that any even number keeps the mean."""
    cell_id = "-".join([selector, str(seed), meta.get("budget", "25%").rstrip("%"), meta.get("order", "canonical")])
    base = cell_record(
        id=cell_id,
        selector=selector,
        family=selector.split("_")[0],
        seed=seed,
        stages=list(stages),
        evaluation={
            stage: {"measure": "exact_match", "chance": 0.0, "ceiling": 1.0, "items": items} for stage in stages
        },
        adapter_hash=f"adapter-{seed}",
        selection_hash=f"selection-{cell_id}",
        per_stage=[per_stage(stage, index) for index, stage in enumerate(stages)],
        run={"capability_entropy": 1.5, "update_concentration": 0.4, "mean_difficulty": 0.5, "mean_quality": None},
        missing={"mean_quality": "no example has a quality"},
    )
    rows = score_rows(scores, stages, items, spread)
    picked = chosen or {stage: [f"{stage}-{number}" for number in range(3)] for stage in stages}
    return CellArtifacts({**base, **meta}, pa.Table.from_pylist(rows, SCORES), selection_table(picked, stages))


def per_stage(stage, index):
    return {
        "stage": stage,
        "trained_tokens": 1000,
        "scored_tokens": 4000,
        "trained_examples": 50,
        "rounds": 10,
        "steps": 6,
        "longest_response": 40,
        "scoring_seconds": 1.5,
        "training_seconds": 2.0,
        "capability_entropy": 1.5,
        "update_concentration": 0.4,
        "adapter_drift": None if index == 0 else 0.25 * index,
        "mean_difficulty": 0.5,
        "mean_quality": None,
        "losses": [2.0, 1.9, 1.8, 1.7, 1.6, 1.5],
        "grad_norms": [1.0] * 6,
        "concentration_sample": 50,
        "difficulty_sum": 25.0,
        "quality_sum": 0.0,
        "clusters": [20, 30],
    }


def score_rows(scores, stages, items, spread):
    """One row an item: every evaluation of `scores`, spread around its mean."""
    signs = np.resize([1.0, -1.0], items)
    return [
        {"kind": kind, "after_stage": after, "set": name, "probe_tokens": tokens, "point": point}
        | {"item": f"{name}-{number:03d}", "score": mean + spread * sign}
        for kind, after, name, mean, tokens, point in evaluations(scores, stages)
        for number, sign in enumerate(signs)
        if mean is not None
    ]


def evaluations(scores, stages):
    for after, row in enumerate(scores.matrix):
        for name, mean in zip(stages, row, strict=True):
            yield "validation", after, name, mean, 0.0, 0
    for name, mean in scores.ood.items():
        yield "ood", len(stages), name, mean, 0.0, 0
    for kind, curves in (("probe_neutral", scores.neutral), ("probe_own", scores.own)):
        for after, curve in enumerate(curves, start=1):
            for point, (tokens, mean) in enumerate(curve):
                yield kind, after, stages[after], mean, tokens, point


def selection_table(chosen, stages):
    """Three chosen examples a stage and one that was only scored."""
    rows = []
    for index, stage in enumerate(stages, start=1):
        for rank, example in enumerate([*chosen[stage], f"{stage}-left"]):
            rows.append(
                {"stage": stage, "stage_index": index, "round": 1, "id": example, "cluster": 0, "rank": rank}
                | {"score": float(-rank), "chosen": example in chosen[stage], "tokens": 7, "trained_tokens": 7}
            )
    return pa.Table.from_pylist(rows, SELECTIONS)


def make_audit(cells, planned_only=(), weights=None, **statistics):
    """The plan of these cells, and of some that never ran; `weights`: of the long-horizon score, 1 unless told."""
    planned = [cell.meta for cell in (*cells, *planned_only)]
    config = config_record(statistics=statistics_record(**statistics))
    config["long_horizon"] |= weights or {}
    return plan_record(planned, config=config)


def results_of(cells, audit):
    """The value of results.json of these cells under a plan."""
    return build_results(measure_audit(cells, audit))


def save_audit(root, cells, audit):
    """Write the plan and the finished cells as a run would."""
    write_plan(Layout(root), audit)
    for cell in cells:
        write_cell(Layout(root), cell.meta, cell.scores, cell.selections)


def three_selectors(seeds=(0, 1), items=4):
    """Two seeds of random, a myopic and a far-sighted selector, and a reference row.

    With seed z every score is higher by z. `loss` gains most now and pays later; `lhas` the other way round.
    """
    cells = []
    for seed in seeds:
        cells += [
            make_cell("random", seed, wanted(gain=40 + seed, fall=5, ood=50 + seed), items=items),
            make_cell("loss", seed, wanted(gain=44 + seed, fall=10, ood=40 + seed, rise=20), items=items),
            make_cell("lhas", seed, wanted(gain=36 + seed, fall=1, ood=60 + seed, rise=60), items=items),
            make_cell("random_matched", seed, wanted(gain=42 + seed, fall=5, ood=50), items=items, reference=True),
        ]
    return cells


def items_of(scores, **kwargs):
    """The item scores of one cell with these scores."""
    cell = make_cell("loss", 0, scores, **kwargs)
    return read_items(cell.scores, cell.meta["stages"], "a")
