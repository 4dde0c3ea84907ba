"""The conformance kit for selectors: what every selector owes its callers, as one call.

`check_selector(Shortest(), np.random.default_rng(0))` in a test of your own is all it takes; it needs no pytest.
Shape letters: N candidates, M picked, D hidden, K sketch, C clusters.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from farsighted.core.errors import FarsightedError, SelectorError
from farsighted.core.names import did_you_mean
from farsighted.core.source import told
from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors import Selector, parameters_of, rank_checked, with_picks
from farsighted.selectors.table import build_of_class
from farsighted.signals.registry import at_positions, signal_named, signal_names

CLUSTERS: Final = 8
HIDDEN: Final = 12
SKETCH: Final = 24
LOGIT_SKETCH: Final = 1024
VOCABULARY: Final = 1000

MakeSignals = Callable[[np.random.Generator, int, frozenset[str]], Signals]
"""Makes N candidates with the named signals; `synthetic_signals` is one."""

_Maker = Callable[[np.random.Generator, int], np.ndarray]


class ConformanceError(AssertionError):
    """A selector that breaks its contract; the message says which clause."""


class _Case(NamedTuple):
    """What one ranking is asked on."""

    signals: Signals
    state: State
    seed: int

    def rank(self, selector: Selector) -> Ranking:
        return rank_checked(selector, self.signals, self.state, np.random.default_rng(self.seed))


def synthetic_signals(rng: np.random.Generator, n: int, needs: frozenset[str]) -> Signals:
    """Return N random candidates with the signals in `needs`, in the shapes and ranges of real ones.

    `cluster_count` and `vocabulary_size` are always in the context, as in a run; `proxy_sketch` if it is needed.

    Raises:
        ConformanceError: There is no signal of that name.
    """
    makers = _makers() | _own_makers(needs)
    plain = {name: at_positions(name)[0] for name in sorted(needs)}
    for name in sorted(name for name in needs if plain[name] not in makers.keys() | _CONTEXT):
        raise ConformanceError(
            f"A selector may need only signals that exist, but '{name}' does not. "
            f"{did_you_mean(name, {*makers, *_CONTEXT})} For a signal of your own hand in `make_signals`."
        )
    rows = {name: makers[plain[name]](rng, n) for name in plain if plain[name] in makers}
    context = {"cluster_count": np.array(CLUSTERS), "vocabulary_size": np.array(VOCABULARY)}
    if "proxy_sketch" in needs:
        context["proxy_sketch"] = rng.normal(size=SKETCH).astype(np.float32)
    return Signals(tuple(f"example-{rng.integers(1 << 32):08x}-{row}" for row in range(n)), rows, context)


def check_selector(selector: Selector, rng: np.random.Generator, make_signals: MakeSignals = synthetic_signals) -> None:
    """Check a selector against its contract, with 1, 7 and 24 candidates, before and after it has seen picks.

    Checked: every ranking is a permutation with finite scores, any budget can cut it and be observed, and its head is
    the same where `picks` says that no more can be taken; the same generator gives the same ranking; inputs are left
    as they were; the state is plain arrays, and a copy of it ranks alike; parameters are JSON, do not change, and
    build an equal selector; importance weights are finite, not negative and not all 0, and do not depend on `picks`;
    score and weight of a candidate do not depend on its row. The last holds for every selector up
    to ties and without chance, so it is broken if scores never follow their candidates in 12 trials; where two
    generators give two rankings it is not asked.

    Args:
        selector: The selector with the parameters to check.
        rng: Draws the signals and the seeds.
        make_signals: Makes the candidates, where a selector reads signals of its own.

    Raises:
        ConformanceError: The contract is broken; the message says how.
    """
    try:
        _check_parameters(selector)
        for count in (1, 7, 24):
            _check_run(selector, rng, make_signals, count)
        _check_rows(selector, rng, make_signals)
    except FarsightedError as error:
        raise ConformanceError(f"Selector '{selector.name}' fails: {error}") from error


def check_before_use(selectors: Iterable[Selector]) -> None:
    """Check selectors before anything is trained with them.

    Raises:
        SelectorError: One breaks its contract or crashes; the message says which, how, and in which line of its code.
    """
    for selector in selectors:
        try:
            check_selector(selector, np.random.default_rng(0))
        except ConformanceError as error:
            raise SelectorError(f"{error} It was tried on made-up candidates; nothing was trained.") from error
        except Exception as error:  # Somebody's code may raise anything.
            raise SelectorError(
                f"Selector '{selector.name}' fails on made-up candidates with {told(error)}. Mend it there; nothing "
                "was trained."
            ) from error


def _check_run(selector: Selector, rng: np.random.Generator, make_signals: MakeSignals, count: int) -> None:
    """Check three selection rounds in a row, the state going from one to the next."""
    state = selector.init()
    _check_state(selector, state)
    for _ in range(3):
        case = _Case(make_signals(rng, count, selector.needs), state, int(rng.integers(1 << 32)))
        ranking = _check_rank(selector, case)
        for budget in {1, max(1, count // 4), count}:
            _check_picks(selector, case, ranking, budget)
            _check_observe(selector, case, ranking.order[:budget])
        state = selector.observe(state, case.signals.take(ranking.order[: max(1, count // 4)]))


def _check_parameters(selector: Selector) -> None:
    written = json.loads(json.dumps(parameters_of(selector)))
    # By its class: one that is named by its path need not be registered under its own name.
    rebuilt = build_of_class(type(selector), selector.name, written)
    _require(
        type(rebuilt) is type(selector) and parameters_of(rebuilt) == written,
        selector,
        "its parameters, written as JSON and read again, must build an equal selector. Give it plain fields.",
    )


def _check_rank(selector: Selector, case: _Case) -> Ranking:
    parameters, before = parameters_of(selector), _copied(case)
    ranking = case.rank(selector)
    _require(_same_inputs(before, case), selector, "`rank` must leave signals and state as they are. Copy first.")
    _require(parameters == parameters_of(selector), selector, "`rank` must not change its fields. Return a state.")
    again = before.rank(selector)
    _require(
        _same_ranking(ranking, again),
        selector,
        "the same signals, a copy of the same state and the same generator must give the same ranking. Draw chance "
        "from `rng` only, and keep what you remember in the state only.",
    )
    return ranking


def _check_picks(selector: Selector, case: _Case, ranking: Ranking, picks: int) -> None:
    """Check that a selector that is told how many can be taken at most ranks these as it does without being told."""
    limited = case._replace(signals=with_picks(case.signals, picks)).rank(selector)
    _require(
        np.array_equal(limited.order[:picks], ranking.order[:picks]),
        selector,
        f"`picks` of the context is {picks}, and the first {picks} of the ranking must be those that come without it. "
        "Only what lies behind them may stand in another order.",
    )
    _require(
        _same_weights(limited, ranking),
        selector,
        f"`picks` of the context is {picks}, and weights must be those that come without it.",
    )


def _check_rows(selector: Selector, rng: np.random.Generator, make_signals: MakeSignals) -> None:
    """Check that moving the candidates to other rows moves their scores along, at least where nothing ties."""
    state = selector.init()
    for count in (3, 5, 7) * 4:
        case = _Case(make_signals(rng, count, selector.needs), state, int(rng.integers(1 << 32)))
        ranking = case.rank(selector)
        if not _same_ranking(ranking, case._replace(seed=case.seed + 1).rank(selector)):
            return  # Chance has a part in it, and it falls on rows.
        moved = np.roll(np.arange(count), 1)
        elsewhere = case._replace(signals=case.signals.take(moved)).rank(selector)
        if _follow(elsewhere, ranking, moved):
            return
        state = selector.observe(state, case.signals.take(ranking.order[:2]))
    _require(
        False,
        selector,
        "score and weight of a candidate must not depend on its row. Score by signals alone.",
    )


def _check_observe(selector: Selector, case: _Case, rows: np.ndarray) -> None:
    picked, before = case.signals.take(rows), _copied(case)
    parameters = parameters_of(selector)
    state = selector.observe(case.state, picked)
    _check_state(selector, state)
    unchanged = _same_inputs(before, case) and _same_arrays(picked.rows, before.signals.take(rows).rows)
    _require(unchanged, selector, "`observe` must leave the old state and the picks as they are. Return a new state.")
    _require(parameters == parameters_of(selector), selector, "`observe` must not change its fields. Return a state.")
    again = selector.observe(before.state, before.signals.take(rows))
    _require(_same_arrays(state, again), selector, "`observe` of the same picks must give the same state.")


def _check_state(selector: Selector, state: State) -> None:
    plain = isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
        for name, array in state.items()
    )
    _require(plain, selector, "a state must map names to numeric numpy arrays, so that it can be checkpointed.")


def _require(holds: bool, selector: Selector, sentence: str) -> None:
    if not holds:
        raise ConformanceError(f"Selector '{selector.name}' breaks its contract: {sentence}")


def _copied(case: _Case) -> _Case:
    signals = case.signals
    copy = Signals(signals.ids, _copies(signals.rows), _copies(signals.context))
    return case._replace(signals=copy, state=_copies(case.state))


def _copies(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in arrays.items()}


def _same_inputs(one: _Case, other: _Case) -> bool:
    return (
        _same_arrays(one.signals.rows, other.signals.rows)
        and _same_arrays(one.signals.context, other.signals.context)
        and _same_arrays(one.state, other.state)
    )


def _same_arrays(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _same_ranking(one: Ranking, other: Ranking) -> bool:
    pairs = ((one.order, other.order), (one.score, other.score))
    same = all(np.array_equal(a, b) for a, b in pairs) and _same_arrays(one.components, other.components)
    return same and _same_weights(one, other)


def _same_weights(one: Ranking, other: Ranking) -> bool:
    if one.weight is None or other.weight is None:
        return one.weight is other.weight
    return np.array_equal(one.weight, other.weight)


def _follow(elsewhere: Ranking, ranking: Ranking, moved: np.ndarray) -> bool:
    """Whether scores and weights moved with their candidates."""
    pairs = [(elsewhere.score, ranking.score)]
    if elsewhere.weight is not None and ranking.weight is not None:
        pairs.append((elsewhere.weight, ranking.weight))
    return all(np.allclose(there, here[moved], rtol=1e-6, atol=1e-9) for there, here in pairs)


_CONTEXT: Final = frozenset({"proxy_sketch", "cluster_count", "vocabulary_size"})


def _makers() -> dict[str, _Maker]:
    positive = {"nll", "entropy", "el2n", "head_grad_norm", "grad_norm", "nuclear_norm"}
    shares = {"margin", "correctness", "quality", "difficulty"}
    wide = {"grad_sketch": SKETCH, "head_sketch": SKETCH, "hidden": HIDDEN, "logit_sketch": LOGIT_SKETCH}
    return {
        **dict.fromkeys(positive, lambda rng, n: rng.gamma(2.0, size=n).astype(np.float32)),
        **dict.fromkeys(shares, lambda rng, n: rng.random(n).astype(np.float32)),
        **{name: _normal(width) for name, width in wide.items()},
        "embedding": _unit_rows,
        **dict.fromkeys(("tokens", "size"), lambda rng, n: rng.integers(1, 200, size=n)),
        "cluster": lambda rng, n: rng.integers(CLUSTERS, size=n),
        "origin": lambda rng, n: rng.integers(-3, 3, size=n).clip(0),
    }


def _own_makers(needs: frozenset[str]) -> dict[str, _Maker]:
    """Return makers of the needed signals that are not built in: random numbers of the shape in the table."""
    rows = [signal_named(name) for name in needs & frozenset(signal_names())]
    shapes = {
        row.name: tuple(HIDDEN if size == "D" else int(size) for size in row.shape[1:]) for row in rows if row.is_own
    }
    return {name: _normal(*shape) for name, shape in shapes.items()}


def _normal(*shape: int) -> _Maker:
    return lambda rng, n: rng.normal(size=(n, *shape)).astype(np.float32)


def _unit_rows(rng: np.random.Generator, n: int) -> np.ndarray:
    rows_ND = rng.normal(size=(n, HIDDEN))
    unit_ND: np.ndarray = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return unit_ND.astype(np.float32)
