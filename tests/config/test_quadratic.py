import pytest

from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError


def test_the_preset_is_the_world_that_was_tried():
    config = load_config("quadratic")
    world = config.quadratic
    assert (world.dimensions, world.clusters, world.cluster_dimensions, world.overlap) == (48, 8, 4, (0.3, 0.6))
    assert (config.lora.r, config.training.batch_size, len(config.seeds)) == (12, 16, 20)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("quadratic.dimensions=20", r"at least \(clusters \+ 2\) x cluster_dimensions = 40"),
        ("quadratic.own=9", "at most `clusters`"),
        ("quadratic.overlap=[0.6,0.3]", "0 <= low <= high < 1"),
        ("quadratic.stages=[a,a]", "distinct names"),
        ("adaptations=[dora]", "lora or full in the quadratic world"),
        ("training.stage_transition=stack", "'continue' in the quadratic world"),
        ("training.train_head=true", "False in the quadratic world"),
        ("lora.dropout=0.1", "0 in the quadratic world"),
        ("quality.source=rules", "auto or metadata in the quadratic world"),
        ("orders=[[math,code]]", "every stage once"),
        ("suite={name: skills}", "exactly one of `suite`, `stages` and `quadratic`"),
    ],
)
def test_what_does_not_fit_the_world_is_refused_by_name(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("quadratic", [override])
