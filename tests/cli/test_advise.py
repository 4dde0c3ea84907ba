import json
import shutil

import pytest

from farsighted.phase_map import map as atlas
from farsighted.phase_map.advice import CAVEAT
from farsighted.phase_map.design import QUICK, design_points, overrides
from farsighted.phase_map.map import JUDGED, map_json, map_of_records
from oracles.cli import run_cli
from oracles.fabricated_records import DESIGN, records


@pytest.fixture(scope="module")
def map_file(tmp_path_factory):
    slope = lambda place, rng: -0.2 + 0.4 * place["alignment"] + 0.01 * rng.normal()  # noqa: E731
    path = tmp_path_factory.mktemp("map") / "map.json"
    path.write_text(map_json(map_of_records(records(64, later=slope, now=lambda *_: 1.0), DESIGN), "command"))
    return path


def test_a_configuration_is_placed_and_every_selector_foretold(map_file):
    point = design_points(1, 0)[0]
    said = run_cli("advise", "quadratic", *overrides(point, QUICK), "--map", map_file)
    assert said.code == 0, said.err
    assert all(name in said.out for name in JUDGED)
    assert "for each 0.1 of alignment" in said.out
    assert "The nearest of the map's 64 worlds is" in said.out
    assert CAVEAT in said.out


def test_a_finished_audit_is_advised_from_its_folder_alone(map_file, micro, tmp_path):
    shutil.copy(micro.layout.audit, tmp_path)
    shutil.copytree(micro.layout.shared, tmp_path / "shared")
    said = run_cli("advise", tmp_path, "--map", map_file)
    assert said.code == 0, said.err
    assert "order canonical, budget 25%, lora" in said.out


def test_a_place_beyond_the_map_is_said_to_be_one(map_file, micro, tmp_path):
    """Rank 1 of a model 96 wide is a smaller share than any of the map's worlds has; rank 4 is their smallest."""
    shutil.copytree(micro.layout.shared, tmp_path / "shared")
    plan = json.loads(micro.layout.audit.read_text())
    plan["config"]["lora"]["r"] = 1
    (tmp_path / "audit.json").write_text(json.dumps(plan))
    narrow, usual = (run_cli("advise", path, "--map", map_file) for path in (tmp_path, micro.out))
    assert "Beyond the map: rank" in narrow.out
    assert "extrapolates" in narrow.out
    assert "rank" not in next((line for line in usual.out.splitlines() if line.startswith("Beyond the map")), "")


def test_without_a_map_the_way_to_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(atlas.resources, "files", lambda _: tmp_path)
    said = run_cli("advise", "quadratic")
    assert said.code == 2
    assert "farsighted phase-map --out DIR" in said.err


def test_settings_of_a_finished_audit_are_not_overridden(map_file, micro):
    said = run_cli("advise", micro.out, "seeds=[1]", "--map", map_file)
    assert said.code == 2
    assert "taken as it is" in said.err


def test_what_is_no_map_is_refused(tmp_path):
    wrong = tmp_path / "map.json"
    wrong.write_text(json.dumps({"schema": 0}))
    said = run_cli("advise", "quadratic", "--map", wrong)
    assert said.code == 3
    assert "farsighted phase-map" in said.err
