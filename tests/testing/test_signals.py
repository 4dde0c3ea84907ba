"""The kit passes what keeps the contract, and catches each way of breaking it."""

import itertools

import numpy as np
import pytest
import torch

from farsighted import register_signal
from farsighted.core.errors import SelectorError
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.signals.registry import SIGNALS
from farsighted.testing.fake_learner import FakeLearner
from farsighted.testing.signals import SignalConformanceError, check_signal, sample_texts
from oracles import own_signals
from oracles.signal_autograd import tiny_llama

BUILT_IN = sorted(name for name, row in SIGNALS.items() if not row.is_own)


pytestmark = pytest.mark.usefixtures("signal_table")


@pytest.fixture(scope="module")
def language_model():
    settings = LearnerSettings(OptimizerSettings(5e-3))
    found = CausalLM(tiny_llama(dtype=torch.float32, vocab_size=259), "hash", Lora(4, 8.0), settings, 0)
    found.begin_stage(4)
    found.step(sample_texts(), np.random.default_rng(0))
    return found


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_signal_passes(name):
    check_signal(name)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_signal_of_a_language_model_passes(name, language_model):
    check_signal(name, language_model)


@pytest.mark.parametrize("name", own_signals.KINDS.values())
def test_a_signal_of_each_kind_passes(name, language_model):
    check_signal(name)
    check_signal(name, language_model)


def registered(provider, cost="forward", needs=("nll",), shape=("N",), text="A signal that is tried."):
    provider.__doc__ = text
    register_signal("tried", shape, cost, needs, provider)
    return "tried"


def refused(*args, **options):
    with pytest.raises(SignalConformanceError) as caught:
        check_signal(registered(*args, **options))
    return str(caught.value)


def test_one_without_a_description_is_caught():
    assert "must say what it is" in refused(lambda seen: seen.rows["nll"], text=None)


def test_one_of_another_shape_is_caught():
    assert "Return one row for each example" in refused(lambda seen: seen.rows["nll"], shape=("N", 2))


def test_one_that_fails_is_caught_with_the_line():
    assert "test_signals.py, line" in refused(lambda seen: seen.rows["nil"])


def test_one_that_is_not_finite_is_caught():
    assert "must be finite" in refused(lambda seen: seen.rows["nll"] + np.nan)


def test_one_that_counts_its_calls_is_caught():
    calls = itertools.count()
    assert "the same bits" in refused(lambda seen: seen.rows["nll"] + next(calls))


@pytest.mark.parametrize(
    ("provider", "how"),
    [
        (lambda seen: np.arange(len(seen), dtype=np.float64), "in another order"),
        (lambda seen: seen.rows["nll"] - seen.rows["nll"].mean(), "in halves"),
        (lambda seen: seen.rows["nll"] + (len(seen) == 1), "alone"),
    ],
)
def test_one_that_looks_at_other_rows_is_caught(provider, how):
    assert f"seen {how} it differs" in refused(provider)


def test_one_that_writes_into_what_it_reads_is_caught():
    def halve(seen):
        array = seen.rows["nll"]
        array /= 2
        return array

    assert "read-only" in refused(halve)


@pytest.mark.parametrize("cost", ["warm_up", "reference", "text"])
def test_one_that_is_computed_once_is_checked_alike(cost):
    needs = () if cost == "text" else ("nll",)
    assert "in another order" in refused(lambda seen: np.arange(len(seen)), cost=cost, needs=needs)


def test_a_learner_that_scoring_changes_is_caught():
    class Restless(FakeLearner):
        def signals(self, batch, needs):
            found = super().signals(batch, needs)
            self.load_parameters({"weight": self.parameters()["weight"] + 1e-9})
            return found

    with pytest.raises(SignalConformanceError, match="the model's parameters as they are"):
        check_signal("embedding", Restless())


def test_an_unknown_signal_is_refused():
    with pytest.raises(SelectorError, match="There is no signal"):
        check_signal("surprize ")
