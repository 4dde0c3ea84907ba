import json

import numpy as np
import pytest

from farsighted.core.errors import DataError
from farsighted.phase_map.rules import COORDINATES, fit_rule, predict, rule_json, rule_of, sentence


def places(count=150):
    return np.random.default_rng(0).random((count, len(COORDINATES)))


def noise(count=150, size=0.01):
    return size * np.random.default_rng(1).normal(size=count)


def test_a_threshold_in_one_coordinate_is_found():
    place_PC = places()
    rule = fit_rule(place_PC, np.where(place_PC[:, 3] <= 0.4, -0.2, 0.1) + noise())
    assert rule.better
    assert rule.form["root"]["coordinate"] == "budget"
    assert rule.form["root"]["cut"] == pytest.approx(0.4, abs=0.03)
    assert rule.error < rule.trivial_error / 2


def test_a_slope_is_found():
    place_PC = places()
    rule = fit_rule(place_PC, 0.1 - 0.3 * place_PC[:, 0] + noise())
    assert (rule.better, rule.form["kind"]) == (True, "line")
    assert rule.form["slopes"]["alignment"] == pytest.approx(-0.3, abs=0.01)
    assert rule.form["slopes"]["noise"] == pytest.approx(0, abs=0.01)


def test_pure_noise_has_no_rule_but_its_mean():
    difference_P = noise(size=1.0)
    rule = fit_rule(places(), difference_P)
    assert not rule.better
    assert rule.form == {"kind": "mean", "value": pytest.approx(difference_P.mean())}


def test_residuals_are_out_of_fold_and_missing_where_nothing_was_measured():
    difference_P = noise()
    difference_P[7] = np.nan
    residuals_P = fit_rule(places(), difference_P).residuals_P
    assert np.flatnonzero(np.isnan(residuals_P)).tolist() == [7]
    # The mean of the other folds misses a point by more than the mean of all does.
    inside = np.nansum((difference_P - np.nanmean(difference_P)) ** 2)
    assert np.nansum(residuals_P**2) > inside


def test_a_rule_comes_back_from_json_and_says_the_same():
    place_PC = places()
    rule = fit_rule(place_PC, np.where(place_PC[:, 3] <= 0.4, -0.2, 0.1) + noise())
    again = rule_of(json.loads(json.dumps(rule_json(rule))))
    assert np.array_equal(predict(again.form, place_PC), predict(rule.form, place_PC))
    assert np.allclose(again.residuals_P, rule.residuals_P, rtol=1e-4)


def test_rules_can_be_said():
    root = {"coordinate": "budget", "cut": 0.25, "below": {"value": -0.1}, "above": {"value": 0.02}}
    assert sentence({"kind": "tree", "root": root}) == "-0.1 where budget ≤ 0.25; +0.02 where budget > 0.25"
    line = {"kind": "line", "intercept": 0.05, "slopes": {"noise": -0.2, "rank": 0.3}}
    assert sentence(line) == "+0.05, and +0.03 for each 0.1 of rank, -0.02 for each 0.1 of noise"
    assert sentence({"kind": "mean", "value": -0.031}) == "-0.031 everywhere"


def test_too_few_points_have_no_rule():
    with pytest.raises(DataError, match="at least 20 points"):
        fit_rule(places(19), noise(19))
