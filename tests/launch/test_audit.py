import json

import pytest

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.launch.audit import audit_opening, open_audit
from farsighted.launch.work import Task
from farsighted.store.layout import Layout
from oracles.fake_world import Hearing
from oracles.micro import nano_config


class Line(Hearing):
    def should_stop(self):
        return False


def test_an_opening_goes_through_json_and_does_every_kind_of_task(tmp_path):
    config = load_config(nano_config(tmp_path, selectors=["random"]))
    opening = audit_opening(config, tmp_path / "out", 2, ["judges"])
    assert (opening.workers, opening.modules, opening.logs) == (2, ("judges",), Layout(tmp_path / "out").logs)
    line = Line()
    do = open_audit(json.loads(json.dumps(opening.argument)), opening.folder, line)
    (cell,) = prepare(config).cells
    assert {do(Task("stage", name)) for name in ("general", "math")} == {"done"}
    assert do(Task("clusters", "clusters")) == "done"
    assert json.loads(json.dumps(do(Task("measure", cell.id))))["label"] == "random"
    assert do(Task("cell", cell.id)) == "done"
    assert line.shares[-1] == 1
    with pytest.raises(ConfigError, match="must be stage, clusters, cell or measure, but is point"):
        do(Task("point", "1"))


def test_a_configuration_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must be a mapping, but is 3"):
        open_audit({"config": 3}, tmp_path, Line())
