"""Suite, stages and reading options."""

import pytest
from pydantic import ValidationError

from farsighted.config.stages import DataConfig, StageConfig, SuiteConfig

STAGE = {"name": "math", "train": "m.jsonl", "validation": 10}


def test_a_stage_needs_a_name_a_pool_and_a_validation_set_only():
    stage = StageConfig.model_validate(STAGE)
    assert stage.train == ("m.jsonl",)
    assert (stage.validation, stage.ood, stage.max_train, stage.chance) == (10, {}, None, None)


def test_a_stage_without_pool_is_refused():
    with pytest.raises(ValidationError, match="train"):
        StageConfig.model_validate({"name": "math", "validation": 10})


@pytest.mark.parametrize("chance", [1.0, 1.5])
def test_the_ceiling_must_be_above_chance(chance):
    with pytest.raises(ValidationError, match=r"must be above `chance`"):
        StageConfig.model_validate({**STAGE, "chance": chance})


@pytest.mark.parametrize("size", ["max_train", "max_validation", "max_ood"])
def test_a_subsample_holds_at_least_one_example(size):
    with pytest.raises(ValidationError, match=size):
        StageConfig.model_validate({**STAGE, size: 0})


@pytest.mark.parametrize(
    "part",
    [
        {"train": 0},
        {"validation": 0},
        {"ood": -1},
        {"name": "poems"},
        {"test": 3},
        {"own": 1.1},
        {"repeats": 1},
        {"noise": -0.1},
    ],
)
def test_a_suite_of_no_examples_or_another_name_is_refused(part):
    with pytest.raises(ValidationError):
        SuiteConfig.model_validate(part)


@pytest.mark.parametrize("part", [{"on_bad_row": "ignore"}, {"max_bad_share": 1.1}, {"on_long": "cut"}, {"seed": -1}])
def test_reading_options_out_of_range_are_refused(part):
    with pytest.raises(ValidationError):
        DataConfig.model_validate(part)


def test_what_bounds_memory_is_said_where_a_pool_is_cut_to_size():
    told = StageConfig.model_fields["max_train"].description
    assert "not memory (`data.max_examples` does)" in told
    assert "larger\nthan memory" in DataConfig.model_fields["max_examples"].description


def test_rendered_texts_are_not_told_apart_in_turns():
    with pytest.raises(ValidationError, match="must be last under `template: rendered`"):
        DataConfig.model_validate({"template": "rendered", "turns": "each"})
