"""The conformance kit for signals: what every provider owes its callers, as one call.

`check_signal("surprise")` in a test of your own is all it takes: it needs no model and no pytest. Built-in signals are
what a learner's passes leave, so they are checked with a learner: `check_signal("nll", learner, texts)`.

Shape letters: N examples, E epochs.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from farsighted.candidates.warm_up import WarmUpRun, warm_up
from farsighted.core import fingerprint
from farsighted.core.errors import FarsightedError
from farsighted.core.values import Example, Tokens
from farsighted.learners.base import Learner
from farsighted.signals.provided import once_signals, text_signals
from farsighted.signals.registry import Signal, signal_named
from farsighted.testing.fake_learner import FakeLearner

_TOLERANCE: Final = 1e-3
"""Of the largest number of the signal: another batch has other last bits, and a root of them half as many."""
_RUN: Final = WarmUpRun(epochs=3, share=1.0, batch_size=4)


class SignalConformanceError(AssertionError):
    """A signal that breaks its contract; the message says which clause."""


_OfRows = Callable[[np.ndarray], np.ndarray]
"""Row numbers of the texts to the signal of these texts, seen together and beside no others."""


def sample_texts(count: int = 7) -> tuple[Tokens, ...]:
    """Return examples of several lengths, with every field that an example may have, and tokens for `FakeLearner`."""
    rng = np.random.default_rng(20260530)
    texts = []
    for row in range(count):
        words = " ".join(f"word{number}" for number in rng.integers(50, size=4 + 3 * row))
        example = Example(
            f"example-{row}", f"Say {row}.", words, f"cluster {row % 3}", row / count, 1 - row / count, source="sample"
        )
        ids = tuple(int(token) for token in rng.integers(1, 256, size=6 + 2 * row))
        texts.append(Tokens(example, ids, 2 + row % 3))
    return tuple(texts)


def check_signal(name: str, learner: Learner | None = None, texts: Sequence[Tokens] | None = None) -> None:
    """Check a signal against its contract.

    Checked: it has a description; one row for each example, of the shape that the table states, finite; the same
    examples give the same bits; a row depends on its own example alone, whatever is seen beside it and in which order;
    what the provider reads, the examples and the model are left as they were. What comes with the data or belongs to
    the run is computed by no provider: it must have a description.

    Args:
        name: Its name; its module must have been imported, or be that of an entry point.
        learner: Whose passes it is computed from; `FakeLearner` by default, whose sketches have a width of their own.
        texts: At least three examples that the learner can read; `sample_texts()` by default.

    Raises:
        SignalConformanceError: The contract is broken; the message says how.
        SelectorError: There is no signal of that name.
    """
    row = signal_named(name)
    _require(bool(row.text), row, "it must say what it is. Write a docstring under the `def` of its provider.")
    if row.cost == "metadata" or row.is_context:
        return
    pool = sample_texts() if texts is None else texts
    model = _fake_learner(pool) if learner is None else learner
    before = fingerprint.of_arrays(model.parameters())
    try:
        found = _way(row, model, pool)
        whole = _check_whole(row, found, len(pool), strict=row.is_own or learner is not None)
        _check_rows(row, found, whole)
    except FarsightedError as error:
        raise SignalConformanceError(f"Signal '{row.name}' fails: {error}") from error
    after = fingerprint.of_arrays(model.parameters())
    _require(before == after, row, "computing it must leave the model's parameters as they are.")


def _fake_learner(pool: Sequence[Tokens]) -> FakeLearner:
    """Return one that has learnt something: before that it thinks alike of all examples."""
    learner = FakeLearner()
    learner.begin_stage(4)
    for step in range(3):
        learner.step(pool, np.random.default_rng(step))
    return learner


def _way(row: Signal, learner: Learner, pool: Sequence[Tokens]) -> _OfRows:
    """Return how the signal of some rows of the pool is computed; what it takes once for the pool is done here."""
    if row.cost == "text":
        return lambda rows: text_signals([row.name], [pool[n].example for n in rows])[row.name]
    if not row.is_once:
        return lambda rows: learner.signals([pool[n] for n in rows], frozenset({row.name}))[row.name]
    if row.cost == "reference":
        left = learner.signals(pool, row.needs)
    else:
        left = warm_up(learner, pool, row.needs, _RUN, (0, 1), lambda: None).rows
    return lambda rows: once_signals(
        [row.name], [pool[n].example for n in rows], {need: array[rows] for need, array in left.items()}
    )[row.name]


def _check_whole(row: Signal, found: _OfRows, count: int, *, strict: bool) -> np.ndarray:
    every = np.arange(count)
    whole, again = found(every), found(every)
    sizes = zip(row.shape[1:], whole.shape[1:], strict=False)
    fits = whole.ndim == len(row.shape) and len(whole) == count
    fits = fits and not (strict and any(size not in ("D", width) for size, width in sizes))
    _require(fits, row, f"its shape must be {row.shape}, N = {count}, but is {whole.shape}.")
    _require(bool(np.isfinite(whole).all()), row, "it must be finite for every example.")
    _require(
        np.array_equal(whole, again),
        row,
        "the same examples must give the same bits. Use no clock, no chance and nothing that was remembered.",
    )
    return whole


def _check_rows(row: Signal, found: _OfRows, whole: np.ndarray) -> None:
    """Compare with what is seen in another order, in halves, and alone."""
    count = len(whole)
    moved = np.roll(np.arange(count), 1)
    orders = {
        "in another order": [moved],
        "in halves": np.array_split(np.arange(count), 2),
        "alone": [np.array([n]) for n in range(count)],
    }
    margin = _TOLERANCE * max(float(np.abs(whole).max()), 1e-6)
    for how, parts in orders.items():
        gap = max(float(np.abs(found(part).astype(np.float64) - whole[part]).max()) for part in parts)
        _require(
            gap <= margin,
            row,
            f"a row must depend on its own example alone, but seen {how} it differs by {gap:.3g}. Leave comparisons "
            "with other examples to selectors.",
        )


def _require(holds: bool, row: Signal, sentence: str) -> None:
    if not holds:
        raise SignalConformanceError(f"Signal '{row.name}' breaks its contract: {sentence}")
