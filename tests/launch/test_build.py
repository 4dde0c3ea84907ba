import pytest

from farsighted.core.errors import ConfigError
from farsighted.launch.build import executor_maker
from farsighted.launch.local import LocalExecutor
from farsighted.launch.work import Launch
from oracles.executors import Idle


def test_a_name_a_module_and_the_thing_itself_are_found():
    assert executor_maker(Launch()) is LocalExecutor
    assert executor_maker(Launch(executor="oracles.executors:Idle")) is Idle
    assert executor_maker(Launch(executor=Idle)) is Idle


def test_an_installed_package_offers_its_executors_by_name(tmp_path, monkeypatch):
    info = tmp_path / "cluster-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cluster\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[farsighted.executors]\ncluster = oracles.executors:Idle\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert executor_maker(Launch(executor="cluster")) is Idle
    with pytest.raises(ConfigError, match=r"There is no executor 'clutser'\. Did you mean 'cluster'"):
        executor_maker(Launch(executor="clutser"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("inlin", "There is no executor 'inlin'. Did you mean 'inline'?"),
        ("no_such_module:Pool", "importing `no_such_module` failed with ModuleNotFoundError"),
        ("oracles.executors:Idel", "Did you mean 'Idle'?"),
        ("oracles.executors:__doc__", "Executor 'oracles.executors:__doc__' cannot be used"),
    ],
)
def test_what_cannot_be_an_executor_is_refused_in_a_sentence(name, words):
    with pytest.raises(ConfigError) as caught:
        executor_maker(Launch(executor=name))
    assert words in str(caught.value)
