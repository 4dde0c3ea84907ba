import pytest

from farsighted.config.load import load_config
from farsighted.paper.worlds import TARGETS, WORLDS, overrides_of, parts_of


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_needs_the_main_part_of_the_grid(target):
    assert parts_of(target)[0] == "main"


def test_all_needs_whatever_any_other_target_needs():
    assert set(parts_of("all")) == {part for target in TARGETS for part in parts_of(target)}


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
def test_the_main_part_is_the_setting_of_the_papers_first_table(world):
    config = load_config(world.preset, overrides_of(world, "main"))
    assert [str(budget) for budget in config.budgets] == ["25%"]
    assert (config.adaptations, config.orders, config.references) == (("lora",), ("canonical",), ())
    families = {spec.name for spec in config.selectors}
    assert families == {"random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas"}
    assert len(config.seeds) == world.seeds


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
def test_parts_differ_from_the_main_one_along_one_axis(world):
    main = load_config(world.preset, overrides_of(world, "main"))
    axes = {"budgets": "budgets", "full": "adaptations", "orders": "orders"}
    for part, axis in axes.items():
        other = load_config(world.preset, overrides_of(world, part))
        same = {"seeds", axis}
        assert main.model_dump(exclude=same) == other.model_dump(exclude=same)
        assert set(other.seeds) <= set(main.seeds)
        assert not set(map(str, getattr(main, axis))) & set(map(str, getattr(other, axis)))
