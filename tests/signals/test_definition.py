import numpy as np
import pytest

from farsighted import register_signal
from farsighted.signals import registry
from farsighted.signals.definition import definition_of, definitions_of, signal_sources
from oracles import own_signals  # noqa: F401 — it registers its signals

pytestmark = pytest.mark.usefixtures("signal_table")


def tried(seen):
    """Say 1."""
    return np.ones(len(seen))


def defined(shape=("N",), cost="text", needs=(), version=1):
    register_signal("tried", shape, cost, needs, tried, version)
    return definition_of("tried")


def test_a_built_in_signal_has_none_and_ones_own_has_one():
    assert definition_of("nll") is None
    assert definitions_of({"nll", "surprise"}) == {"surprise": definition_of("surprise")}


def test_it_changes_with_everything_that_the_table_states():
    every = [defined(), defined(version=2), defined(("N", 2)), defined(cost="forward", needs={"nll"})]
    every.append(defined(cost="forward", needs={"entropy"}))
    assert len({str(one) for one in every}) == 5
    assert defined() == every[0]


def test_it_changes_with_the_source_of_the_provider_and_what_that_imports(tmp_path, monkeypatch):
    (tmp_path / "weighs_signal.py").write_text("SHARE = 1\n")
    (tmp_path / "edited_signal.py").write_text(
        "import numpy as np, weighs_signal\nfrom farsighted import register_signal\n"
        "def edited(seen):\n    'One.'\n    return weighs_signal.SHARE * np.ones(len(seen))\n"
        "register_signal('edited', ('N',), 'text', (), edited)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.signal_named("edited_signal:edited")
    before = definition_of("edited")
    assert signal_sources({"edited", "nll"})["edited"].modules == ("edited_signal", "weighs_signal")
    (tmp_path / "weighs_signal.py").write_text("SHARE = 2\n")
    assert definition_of("edited") != before
