from dataclasses import dataclass

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.core.values import Ranking, Signals
from farsighted.selectors import Loss, Scored, Stateless, by_score, picks_of, register, table
from farsighted.signals.table import SIGNALS
from farsighted.testing.selectors import ConformanceError, check_before_use, check_selector, synthetic_signals
from oracles import own_signals
from oracles.weighted import Weighing

RNG = np.random.default_rng


@pytest.fixture(autouse=True)
def own_table(monkeypatch):
    monkeypatch.setattr(table, "_TABLE", dict(table._TABLE))


def breaks(selector_class, sentence):
    register("culprit")(selector_class)
    with pytest.raises(ConformanceError, match=sentence):
        check_selector(selector_class(), RNG(0))


@dataclass(frozen=True)
class Base(Stateless):
    """Ranks by loss; each test spoils one thing."""

    needs = frozenset({"nll"})

    def rank(self, signals, state, rng):
        return by_score(signals["nll"])


def test_a_selector_of_ones_own_passes():
    @register("longest")
    @dataclass(frozen=True)
    class Longest(Scored):
        needs = frozenset({"tokens"})

        def score(self, signals, state):
            return signals["tokens"]

    check_selector(Longest(), RNG(0))


def test_an_order_that_drops_candidates_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            ranking = by_score(signals["nll"])
            return Ranking(ranking.order[:5], ranking.score)

    breaks(Culprit, "Selector 'culprit' fails: The order .* must hold each row number")


def test_a_score_that_is_not_finite_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            return by_score(np.where(signals["nll"] > 1, signals["nll"], -np.inf))

    breaks(Culprit, "must be finite")


def test_a_head_that_depends_on_how_many_can_be_taken_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            whole = by_score(signals["nll"])
            return Ranking(np.roll(whole.order, picks_of(signals) != len(signals)), whole.score)

    breaks(Culprit, "the first 1 of the ranking must be those that come without it")


def test_a_generator_of_its_own_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            return by_score(np.random.default_rng().random(len(signals)))

    breaks(Culprit, "the same generator must give the same ranking")


def test_memory_outside_the_state_is_caught():
    seen = []

    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            seen.append(1)
            return by_score(signals["nll"] * len(seen))

    breaks(Culprit, "keep what you remember in the state only")


def test_writing_into_signals_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            signals["nll"].sort()
            return by_score(signals["nll"])

    breaks(Culprit, "`rank` must leave signals and state as they are")


def test_writing_into_the_old_state_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def init(self):
            return {"count": np.zeros(1)}

        def observe(self, state, picked):
            state["count"][0] += len(picked)
            return state

    breaks(Culprit, "`observe` must leave the old state and the picks as they are")


def test_an_observe_that_draws_lots_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def observe(self, state, picked):
            return {"noise": np.random.default_rng().random(1)}

    breaks(Culprit, "`observe` of the same picks must give the same state")


@pytest.mark.parametrize("state", [{"seen": [1]}, {"seen": np.array(["a"])}, [np.zeros(1)]])
def test_a_state_that_cannot_be_checkpointed_is_caught(state):
    @dataclass(frozen=True)
    class Culprit(Base):
        def init(self):
            return state

    breaks(Culprit, "a state must map names to numeric numpy arrays")


def test_scoring_by_row_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            return by_score(signals["nll"] + 0.01 * np.arange(len(signals)))

    breaks(Culprit, "must not depend on its row")


def test_a_field_that_changes_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        calls: int = 0

        def rank(self, signals, state, rng):
            object.__setattr__(self, "calls", self.calls + 1)
            return by_score(signals["nll"])

    breaks(Culprit, "`rank` must not change its fields")


def test_a_parameter_that_does_not_survive_json_is_caught():
    @dataclass(frozen=True)
    class Culprit(Base):
        names: frozenset[str] = frozenset({"a"})

    breaks(Culprit, "Selector 'culprit' fails: `culprit.names` must be a finite number, a text")


def test_a_signal_that_does_not_exist_is_answered_with_the_nearest():
    @dataclass(frozen=True)
    class Culprit(Base):
        needs = frozenset({"nnl"})

    breaks(Culprit, r"'nnl' does not\. Did you mean 'nll'\?")


def test_signals_of_ones_own_are_handed_in():
    @register("longest_prompt")
    @dataclass(frozen=True)
    class LongestPrompt(Scored):
        needs = frozenset({"prompt_tokens"})

        def score(self, signals, state):
            return signals["prompt_tokens"]

    def make(rng, count, needs):
        return Signals(tuple(map(str, range(count))), {"prompt_tokens": rng.integers(1, 99, size=count)})

    check_selector(LongestPrompt(), RNG(0), make)


def test_a_registered_signal_of_ones_own_is_made_of_the_shape_in_the_table():
    check_selector(own_signals.Reads("surprise"), RNG(0))
    assert synthetic_signals(RNG(0), 5, frozenset({"surprise"}))["surprise"].shape == (5,)


def test_every_signal_that_can_be_asked_for_can_be_made():
    for name, row in SIGNALS.items():
        signals = synthetic_signals(RNG(0), 5, frozenset({name}))
        assert np.all(np.isfinite(signals[name]))
        if not row.is_context:
            assert len(signals.rows[name]) == 5
            assert signals.rows[name].ndim == len(row.shape)


def test_the_same_generator_makes_the_same_signals():
    one, other = (synthetic_signals(RNG(5), 4, Loss().needs | {"cluster"}) for _ in range(2))
    assert one.ids == other.ids
    np.testing.assert_array_equal(one["nll"], other["nll"])
    assert len(set(one.ids)) == 4


def weighing(weight_of):
    @dataclass(frozen=True)
    class Culprit(Base):
        def rank(self, signals, state, rng):
            ranking = by_score(signals["nll"])
            return Ranking(ranking.order, ranking.score, weight=weight_of(signals))

    return Culprit


@pytest.mark.parametrize("selector", [Weighing(), Weighing("grad_norm")])
def test_a_selector_with_importance_weights_passes(selector):
    check_selector(selector, RNG(0))


@pytest.mark.parametrize(
    ("weight_of", "sentence"),
    [
        (lambda signals: signals["nll"] - signals["nll"].mean() - 1, "The weights .* must be at least 0"),
        (lambda signals: np.zeros(len(signals)), "one of them above 0"),
        (lambda signals: np.full(len(signals), np.inf), "The weight .* must be finite"),
        (lambda signals: np.ones(len(signals) + 1), "The weight .* numbers, one a candidate by row"),
        (lambda signals: np.random.default_rng().random(len(signals)), "the same generator must give the same"),
        (lambda signals: np.full(len(signals), picks_of(signals)), "weights must be those that come without it"),
        (lambda signals: 1.0 + np.arange(len(signals)), "score and weight of a candidate must not depend on its row"),
    ],
)
def test_weights_that_cannot_be_trained_with_are_caught(weight_of, sentence):
    breaks(weighing(weight_of), sentence)


def test_a_check_before_use_says_what_broke_in_one_sentence_of_the_selectors_own_kind():
    broken = weighing(lambda signals: np.zeros(len(signals)))
    register("culprit")(broken)
    with pytest.raises(SelectorError, match=r"Selector 'culprit' fails: .*nothing was trained\.$"):
        check_before_use([Loss(), broken()])


def test_a_crash_before_use_is_placed_in_the_selectors_code():
    crashing = weighing(lambda signals: signals["nll"] / nobody)  # noqa: F821 — the crash
    register("culprit")(crashing)
    with pytest.raises(
        SelectorError, match=r"NameError: name 'nobody' is not defined \(.*test_selectors\.py, line \d+\)"
    ):
        check_before_use([crashing()])
