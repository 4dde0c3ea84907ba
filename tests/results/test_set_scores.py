import numpy as np
import pytest

from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.results.items import draw_items
from farsighted.results.metrics import METRICS, Weights, inputs_of, values_of
from farsighted.results.set_scores import measured, replicated
from oracles.fabricated_cells import items_of, wanted

WEIGHTS = Weights(HorizonWeights(), ULongWeights())


def test_the_score_of_a_set_is_the_mean_of_its_items():
    scores = measured(items_of(wanted(gain=40, fall=5, ood=50), items=6, spread=10))
    assert scores.matrix_ST.tolist() == [[20, 20, 20], [60, 20, 20], [55, 60, 20], [50, 55, 60]]
    assert {name: float(score) for name, score in scores.ood.items()} == {"ood/shifted": 50}
    assert [curve.scores_P.tolist() for curve in scores.probes["neutral"]] == [[20, 40, 60]] * 2


def test_a_stage_without_a_probe_has_no_area():
    scores = wanted()
    scores.neutral = scores.neutral[:1]
    found = measured(items_of(scores))
    assert found.areas("neutral") == pytest.approx([0.4, np.nan], nan_ok=True)
    assert found.areas("own") == pytest.approx([0.4, 0.4])


def test_a_replicate_is_the_metric_of_the_drawn_items():
    items = items_of(wanted(gain=40, fall=5), items=6, spread=10)
    draw = draw_items([("a", items)], np.random.default_rng(1), 20)
    replicas = values_of(METRICS.values(), inputs_of(replicated(items, draw), WEIGHTS))
    for b in range(20):
        shift = {name: float(weights[b] @ np.resize([10.0, -10.0], 6)) for name, weights in draw.weights.items()}
        stages = [shift[f"validation/{name}"] for name in ("general", "math", "code")]
        assert replicas["current"][b] == pytest.approx(60 + np.mean(stages))
        assert replicas["worst_task"][b] == pytest.approx(min(50 + stages[0], 55 + stages[1], 60 + stages[2]))
        assert replicas["ood"][b] == pytest.approx(50 + shift["ood/shifted"])
        assert replicas["future_auc"][b] == pytest.approx(0.4 + (stages[1] + stages[2]) / 200)


def test_a_set_that_was_never_evaluated_stays_nan_in_every_replicate():
    scores = wanted()
    for row in scores.matrix:
        row[1] = None
    items = items_of(scores)
    draw = draw_items([("a", items)], np.random.default_rng(0), 7)
    assert np.isnan(replicated(items, draw).matrix_ST[:, :, 1]).all()
    assert np.isfinite(replicated(items, draw).matrix_ST[:, :, 0]).all()
