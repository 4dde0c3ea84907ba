import importlib.metadata

import numpy as np
import pytest

from farsighted import Seen, register_signal
from farsighted.core.errors import SelectorError
from farsighted.signals import registry
from farsighted.signals.registry import SIGNALS, at_positions, signal_named, signal_names
from oracles import own_signals


def ones(seen: Seen) -> np.ndarray:
    """Say 1 of every example.

    A second paragraph.
    """
    return np.ones(len(seen))


def others(seen: Seen) -> np.ndarray:
    """Say 2."""
    return 2 * np.ones(len(seen))


GOOD = {"name": "ones", "shape": ("N",), "cost": "text", "needs": (), "provider": ones}


pytestmark = pytest.mark.usefixtures("signal_table")


def test_a_registered_signal_is_found_by_its_name_and_says_what_it_is():
    register_signal(**GOOD)
    row = signal_named("ones")
    assert (row.summary, row.is_own, row.is_once, row.is_context) == ("Say 1 of every example.", True, True, False)
    assert row.text.endswith("A second paragraph.")
    assert "ones" in signal_names()


def test_the_same_definition_again_replaces_it_and_another_of_that_name_is_refused():
    register_signal(**GOOD)
    register_signal(**GOOD, version=2)
    assert signal_named("ones").version == 2
    with pytest.raises(SelectorError, match="There is a signal 'ones' already"):
        register_signal(**GOOD | {"provider": others})
    with pytest.raises(SelectorError, match=r"'nll' already \(of farsighted\)"):
        register_signal(**GOOD | {"name": "nll"})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "My Signal"}, "small letters"),
        ({"name": "ones:some"}, "small letters"),
        ({"cost": "texts"}, "Did you mean 'text'"),
        ({"cost": "metadata"}, "Write `text` for a function of the examples"),
        ({"shape": ()}, 'must begin with "N"'),
        ({"shape": ("N", 0)}, 'must begin with "N"'),
        ({"shape": (8,)}, 'must begin with "N"'),
        ({"needs": {"nll"}}, "Leave `needs` empty"),
        ({"cost": "forward"}, "Name what it reads"),
        ({"cost": "forward", "needs": {"grad_norm"}}, "not there to be read"),
        ({"cost": "forward", "needs": {"token_nl"}}, "Did you mean 'token_nll'"),
        ({"cost": "backward", "needs": {"nll"}}, "Write cost='forward'"),
        ({"cost": "warm_up", "needs": {"token_nll"}}, "not there to be read"),
        ({"cost": "reference", "needs": {"grad_norm"}}, "not there to be read"),
        ({"cost": "forward", "needs": {"proxy_sketch"}}, "not there to be read"),
        ({"provider": np.negative}, "must be a function of a module"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_what_to_write(wrong, sentence):
    with pytest.raises(SelectorError, match=sentence):
        register_signal(**GOOD | wrong)


def test_an_unknown_signal_is_refused_with_the_nearest_name():
    with pytest.raises(SelectorError, match="Did you mean 'entropy'"):
        signal_named("entrpy")


def test_a_signal_is_found_by_its_provider_in_a_module():
    assert signal_named("oracles.own_signals:surprise").name == "surprise"
    with pytest.raises(SelectorError, match="nothing registers it"):
        signal_named("oracles.own_signals:Reads")
    with pytest.raises(SelectorError, match="Did you mean 'surprise'"):
        signal_named("oracles.own_signals:suprise")


def test_an_installed_package_offers_signals_by_an_entry_point(monkeypatch, tmp_path):
    (tmp_path / "offered_signal.py").write_text(
        "import numpy as np\n"
        "from farsighted import register_signal\n"
        "def offered(seen):\n    'One.'\n    return np.ones(len(seen))\n"
        "register_signal('offered', ('N',), 'text', (), offered)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        importlib.metadata.EntryPoint(name, "offered_signal", "farsighted.signals") for name in ("offered", "missing")
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    assert {"offered", "missing"} <= set(signal_names())
    assert signal_named("offered").summary == "One."
    with pytest.raises(SelectorError, match="'missing' is offered by an installed package, but loading it does not"):
        signal_named("missing")


def test_there_is_a_kind_of_provider_for_each_cost_but_metadata():
    assert {SIGNALS[name].cost for name in own_signals.KINDS.values()} == set(own_signals.KINDS)
    assert own_signals.KINDS.keys() | {"metadata"} == registry.COST_IN_WORDS.keys()


def test_a_name_says_the_positions_behind_a_colon():
    assert at_positions("logit_sketch:non_pad") == ("logit_sketch", "non_pad")
    assert at_positions("nll") == ("nll", "response")
