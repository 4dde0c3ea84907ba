import math
import shutil

import pytest

from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError, StorageError
from farsighted.core.values import Budget
from farsighted.phase_map.design import QUICK, design_points, overrides, point_config
from farsighted.phase_map.places import budget_share, is_audit, places_of_config, places_of_folder
from farsighted.phase_map.point import run_point


def test_an_audit_in_the_world_of_a_point_lies_where_the_point_does():
    point = design_points(2, 0)[1]
    (place,) = places_of_config(point_config(point, QUICK))
    measured = run_point(point, QUICK)["measured"]
    assert place.embedding_alignment == measured.pop("embedding_alignment")
    assert dict(place.coordinates) == pytest.approx(measured)
    assert place.why_unknown == {}


def test_every_budget_and_mode_has_a_place_and_full_training_all_of_the_rank():
    sizes = ("budgets=[10%,20%]", "adaptations=[lora,full]")
    places = places_of_config(load_config("quadratic", [*overrides(design_points(1, 0)[0], QUICK), *sizes]))
    found = {(round(place.coordinates["budget"], 2), place.coordinates["rank"] == 1) for place in places}
    assert found == {(0.1, False), (0.1, True), (0.2, False), (0.2, True)}


def test_a_finished_audit_is_placed_without_model_and_data(micro, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(micro.layout.audit, moved)
    shutil.copytree(micro.layout.shared, moved / "shared")
    (place,) = places_of_folder(moved)
    assert 0 <= place.coordinates["alignment"] <= 1
    assert place.coordinates["budget"] == 0.25
    assert not math.isnan(place.coordinates["noise"])


def test_a_planned_audit_without_shared_work_is_refused(micro, tmp_path):
    shutil.copy(micro.layout.audit, tmp_path)
    with pytest.raises(StorageError, match="or give its configuration"):
        places_of_folder(tmp_path)


def test_a_number_of_tokens_is_a_share_only_where_pools_are_known():
    budget = Budget(50, "tokens", "number")
    assert budget_share(budget, {"a": 10}, {"a": 100, "b": 25}) == pytest.approx(0.75)
    assert math.isnan(budget_share(budget, {"a": 10}, {}))


def test_a_folder_that_is_no_audit_is_refused(tmp_path, micro):
    assert is_audit(str(micro.out))
    assert not is_audit("quadratic")
    with pytest.raises(ConfigError, match="but is a folder without one"):
        is_audit(str(tmp_path))
