import json

import numpy as np
import pytest

from farsighted.core.errors import ConfigError, DataError, StorageError
from farsighted.phase_map import map as atlas
from farsighted.phase_map.map import load_map, map_json, map_of_json, map_of_records, recovery, region_rows
from oracles.fabricated_records import DESIGN, records


def myopic_at_small_budgets(place, rng):
    return (-0.1 if place["budget"] <= 0.3 else 0.05) + 0.005 * rng.normal()


@pytest.fixture(scope="module")
def found():
    return map_of_records(records(later=myopic_at_small_budgets, now=lambda place, rng: 2.0), DESIGN)


def test_the_rule_behind_records_is_found_for_every_selector(found):
    for rule in found.later.values():
        assert rule.better
        assert rule.form["root"]["coordinate"] == "budget"


def test_selectors_are_myopic_in_the_low_third_of_budgets_and_far_sighted_in_the_high_one(found):
    rows = {row["part"]: row for row in region_rows(found) if (row["selector"], row["axis"]) == ("loss", "budget")}
    assert (rows["low"]["verdict"], rows["high"]["verdict"]) == ("myopic", "far-sighted")
    assert rows["low"]["counts"]["myopic"] == rows["low"]["points"]


def test_estimates_that_follow_the_parameter_recover_it_and_others_are_known_not_to(found):
    flat = map_of_records(records(redundancy=0.5), DESIGN)
    assert recovery(found) == pytest.approx(dict.fromkeys(recovery(found), 1.0))
    assert np.isnan(recovery(flat)["redundancy"])


def test_a_map_comes_back_from_json_to_five_digits(found):
    again = map_of_json(map_json(found, "command"), "here")
    assert np.allclose(again.places, found.places, rtol=1e-4)
    assert np.allclose(again.differences["lhas"].later_P, found.differences["lhas"].later_P, rtol=1e-4)
    assert again.later["loss"].form == found.later["loss"].form


def test_a_full_map_fits_into_the_package():
    rng = np.random.default_rng(0)
    full = map_of_records(records(320, later=lambda *_: rng.normal(), now=lambda *_: rng.normal()), DESIGN)
    assert len(map_json(full, "command")) < 200_000


def test_a_diverged_cell_is_a_gap():
    made = records(later=myopic_at_small_budgets)
    made[3]["differences"]["loss"]["long_horizon"] = None
    again = map_of_json(map_json(map_of_records(made, DESIGN), "command"), "here")
    assert np.flatnonzero(np.isnan(again.differences["loss"].later_P)).tolist() == [3]


def test_too_few_records_make_no_map():
    with pytest.raises(DataError, match="at least 20"):
        map_of_records(records(12), DESIGN)


def test_without_a_map_the_way_to_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(atlas.resources, "files", lambda _: tmp_path)
    with pytest.raises(ConfigError, match="farsighted phase-map --out DIR"):
        load_map(None)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"schema": 2})])
def test_what_is_no_map_is_refused(tmp_path, text):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(StorageError, match="make one with"):
        load_map(path)


def test_a_map_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "map.json"
    path.write_text('{"schema": 99}')
    with pytest.raises(StorageError, match="must have `schema` 2, but has 99, of a newer version"):
        load_map(path)


def test_a_map_that_lacks_a_column_is_refused_by_its_name(tmp_path, found):
    value = json.loads(map_json(found, "command"))
    value["columns"][0] = "parameters.gap"
    path = tmp_path / "map.json"
    path.write_text(json.dumps(value))
    with pytest.raises(StorageError, match=r"must have a column 'parameters.alignment'"):
        load_map(path)


def test_a_map_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        load_map(tmp_path / "none.json")
