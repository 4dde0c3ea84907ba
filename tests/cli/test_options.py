import os
from pathlib import Path

import pytest

from farsighted.cli.options import load, out_folder, worker_count
from farsighted.core.errors import ConfigError
from oracles.micro import micro_config, write_yaml


@pytest.fixture
def config(tmp_path):
    return str(write_yaml(tmp_path / "micro.yaml", micro_config(selectors=["random", "loss"])))


def labels(config):
    return [spec.label for spec in config.selectors]


def test_overrides_go_before_the_file(config):
    assert load(config, ["seeds=[4]"]).seeds == (4,)


def test_added_selectors_come_last_and_one_that_is_there_is_not_added_twice(config):
    assert labels(load(config, None, ["diversity", "loss"])) == ["random", "loss", "diversity"]


def test_an_own_selector_is_added_by_where_it_is_written(config):
    assert labels(load(config, None, ["mine.selectors:Longest"])) == ["random", "loss", "Longest"]


def test_an_own_selector_asked_for_twice_is_added_once(config):
    assert labels(load(config, None, ["mine.selectors:Longest", "mine.selectors:Longest"])) == [
        "random",
        "loss",
        "Longest",
    ]


def test_adding_a_selector_leaves_the_rest_as_it_was(config):
    plain, more = load(config, ["budgets=10%"]), load(config, ["budgets=10%"], ["diversity"])
    assert more.model_copy(update={"selectors": plain.selectors}) == plain


def test_a_run_goes_to_a_folder_named_like_its_configuration_unless_told():
    assert out_folder("audits/skills.yaml", None) == Path("runs/skills")
    assert out_folder("skills", None) == Path("runs/skills")
    assert out_folder("skills", Path("elsewhere")) == Path("elsewhere")


def test_0_workers_are_one_a_core():
    assert worker_count(0) == len(os.sched_getaffinity(0))
    assert worker_count(3) == 3


def test_fewer_workers_than_0_are_refused():
    with pytest.raises(ConfigError, match=r"`--workers` must be at least 0, but is -1. Write 0 for one worker a core."):
        worker_count(-1)
