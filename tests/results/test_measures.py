import numpy as np
import pytest

from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.results.columns import METRICS
from farsighted.results.items import draw_items, read_items
from farsighted.results.measures import Weights, measured, metrics, replicated, token_ratios, variants
from oracles.fabricated_cells import make_cell, wanted

WEIGHTS = Weights(HorizonWeights(), ULongWeights())


def items_of(scores, **kwargs):
    cell = make_cell("loss", 0, scores, **kwargs)
    return read_items(cell.scores, cell.meta["stages"], "a")


def test_every_metric_of_a_known_cell_is_what_a_hand_finds():
    values = metrics(measured(items_of(wanted(gain=40, fall=5, ood=50))), WEIGHTS)
    by_hand = {
        "current": 60,  # 20 + 40, every stage
        "immediate_gain": 40,
        "final_average": 55,  # 50, 55, 60
        "forgetting": 7.5,  # 10 and 5
        "forward_transfer": 0,
        "future_auc": 0.4,  # a straight line from 20 to 60
        "future_auc_own": 0.4,
        "capability_imbalance": np.sqrt(50 / 3),  # deviations -5, 0, 5
        "worst_task": 50,
        "ood": 50,
        "long_horizon": (0.55 + 0.4 + 0.925 + 0.5) / 4,
        "u_long": 1.65 + 0.8 - 0.15 + 0.5,
    }
    assert {key: float(value) for key, value in values.items()} == pytest.approx(by_hand)
    assert {*by_hand, "tokens_to_threshold"} == set(METRICS)


def test_variants_of_forgetting_are_what_a_hand_finds():
    values = variants(measured(items_of(wanted(fall=5))))
    # Stage 1: 60, 55, 50; stage 2: 60, 55. Best before the last row is the first in both.
    assert {key: float(value) for key, value in values.items()} == pytest.approx(
        {"forgetting_chaudhry": 7.5, "forgetting_gem_bwt": -7.5, "forgetting_avalanche": 7.5}
    )


def test_ood_is_the_mean_over_sets_not_over_items():
    scores = wanted()
    scores.ood = {"a": 30.0, "b": 70.0, "c": 80.0}
    assert float(metrics(measured(items_of(scores)), WEIGHTS)["ood"]) == pytest.approx(60)


def test_a_replicate_is_the_metric_of_the_drawn_items():
    items = items_of(wanted(gain=40, fall=5), items=6, spread=10)
    draw = draw_items([("a", items)], np.random.default_rng(1), 20)
    replicas = metrics(replicated(items, draw), WEIGHTS)
    for b in range(20):
        shift = {name: float(weights[b] @ np.resize([10.0, -10.0], 6)) for name, weights in draw.weights.items()}
        stages = [shift[f"validation/{name}"] for name in ("general", "math", "code")]
        assert replicas["current"][b] == pytest.approx(60 + np.mean(stages))
        assert replicas["worst_task"][b] == pytest.approx(min(50 + stages[0], 55 + stages[1], 60 + stages[2]))
        assert replicas["ood"][b] == pytest.approx(50 + shift["ood/shifted"])
        assert replicas["future_auc"][b] == pytest.approx(0.4 + (stages[1] + stages[2]) / 200)


def test_a_stage_without_probe_leaves_the_area_missing():
    scores = wanted()
    scores.neutral = scores.neutral[:1]
    values = metrics(measured(items_of(scores)), WEIGHTS)
    assert np.isnan([float(values[key]) for key in ("future_auc", "long_horizon", "u_long")]).all()
    assert float(values["future_auc_own"]) == pytest.approx(0.4)


def test_a_set_that_was_never_evaluated_stays_nan_in_every_replicate():
    scores = wanted()
    for row in scores.matrix:
        row[1] = None
    items = items_of(scores)
    draw = draw_items([("a", items)], np.random.default_rng(0), 7)
    assert np.isnan(replicated(items, draw).matrix_ST[:, :, 1]).all()
    assert np.isfinite(replicated(items, draw).matrix_ST[:, :, 0]).all()


def test_tokens_to_threshold_are_relative_and_censored_where_it_is_missed():
    curves = {
        name: measured(items_of(wanted(rise=rise))).probes["neutral"]
        for name, rise in {"random": 40, "loss": 20, "lhas": 60}.items()
    }
    ratios = token_ratios(curves, "random")
    # From 20; the best end is 80, so the threshold is 50: reached at 150, never (200), and 100 of 200 tokens.
    assert {name: float(found.ratio) for name, found in ratios.items()} == pytest.approx(
        {"random": 1, "loss": 4 / 3, "lhas": 2 / 3}
    )
    assert {name: found.censored for name, found in ratios.items()} == {"random": 0, "loss": 2, "lhas": 0}
    assert {(found.reference_censored, found.stages) for found in ratios.values()} == {(0, 2)}
