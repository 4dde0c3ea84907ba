import pytest

from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.phase_map.design import AXES, FULL, QUICK, design_points, identity, point_config


def test_the_design_covers_every_eighth_of_every_axis():
    points = design_points(64, 0)
    for name, axis in AXES.items():
        eighths = {min(int(8 * (getattr(p, name) - axis.low) / (axis.high - axis.low)), 7) for p in points}
        assert eighths == set(range(8)), name
        assert all(axis.low <= getattr(p, name) <= axis.high for p in points)


def test_the_same_seed_gives_the_same_design_and_another_another():
    assert design_points(20, 3) == design_points(20, 3)
    assert design_points(20, 3) != design_points(20, 4)


def test_a_longer_design_begins_with_a_shorter_one():
    assert design_points(40, 0)[:17] == design_points(17, 0)


def test_every_point_has_seeds_of_its_own():
    points = design_points(64, 0)
    assert len({seed for point in points for seed in (point.seed, point.data_seed)}) == 128


def test_a_configuration_says_what_its_point_says():
    point = design_points(3, 0)[2]
    config = point_config(point)
    assert [getattr(config.quadratic, name) for name in ("alignment", "redundancy", "noise")] == [
        point.alignment,
        point.redundancy,
        point.noise,
    ]
    assert config.budgets[0].amount == pytest.approx(point.budget / 100)
    assert (config.lora.r, config.data.seed, config.seeds) == (point.rank, point.data_seed, (point.seed,))
    assert (config.quadratic.train, config.cache.megabytes, config.references) == (FULL.train, 0, ())
    assert len(config.selectors) == 7


def test_the_learning_rate_falls_as_the_rank_rises():
    preset = load_config("quadratic")
    for point in design_points(5, 0):
        rate = point_config(point).training.learning_rate
        assert rate * point.rank == pytest.approx(preset.training.learning_rate * preset.lora.r)


def test_sizes_and_seeds_are_part_of_the_identity_and_folders_are_not(tmp_path, monkeypatch):
    here = identity(0, FULL)
    assert identity(1, FULL) != here != identity(0, QUICK)
    monkeypatch.chdir(tmp_path)
    assert identity(0, FULL) == here


def test_a_design_without_points_is_refused():
    with pytest.raises(ConfigError, match="`--points` must be at least 1, but is 0"):
        design_points(0, 0)
