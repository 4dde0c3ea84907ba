"""From what a pass, a run or the data leaves to the signals that were asked for: providers are called here alone.

Shape letters: N examples, E epochs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.values import Example, Tokens
from farsighted.signals.registry import TOKEN_PREFIX, Seen, Signal, signal_named

_NUMBERS: Final = "biuf"


def provided(names: Collection[str], batch: Sequence[Tokens], left: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the named signals of a batch from what its pass left: `readings_of(names)`, one row an example.

    `left`: of a name that begins with `token_` one value a response token of the batch, example after example.

    Raises:
        SelectorError: A provider failed or gave an array of another shape, or a signal comes from no pass.
    """
    examples = tuple(tokens.example for tokens in batch)
    ends = np.cumsum([tokens.response_length for tokens in batch])[:-1]
    found = {}
    for name in sorted(names):
        signal = signal_named(name)
        if signal.is_once:
            raise SelectorError(
                f"Signal '{name}' of cost '{signal.cost}' is computed once for a pool, and not by a pass of the current "
                "model. Hand it in with what is known of the pool."
            )
        rows = {need: left[need] for need in signal.needs if not need.startswith(TOKEN_PREFIX)}
        tokens = {need: tuple(np.split(left[need], ends)) for need in signal.needs if need.startswith(TOKEN_PREFIX)}
        found[name] = signal_of(signal, Seen(examples, rows, tokens))
    return found


def signal_of(signal: Signal, seen: Seen) -> np.ndarray:
    """Return what a provider makes of what was seen, of the signal's shape; raises `SelectorError`."""
    if not signal.is_own:
        return signal.provider(seen)
    try:
        array = np.asarray(signal.provider(seen))
    except Exception as error:
        raise SelectorError(
            f"The provider of signal '{signal.name}' failed with {type(error).__name__}: {error} "
            f"({_line_of(error)}). Correct it there."
        ) from error
    wanted = (len(seen), *signal.shape[1:])
    fits = array.ndim == len(wanted) and all(
        size in ("D", found) for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in _NUMBERS:
        raise SelectorError(
            f"Signal '{signal.name}' must be an array of numbers of the shape {signal.shape}, here with N = {len(seen)}, "
            f"but its provider gave {array.dtype} of the shape {array.shape}. Return one row for each example seen."
        )
    return array


def finite_signal_of(signal: Signal, seen: Seen) -> np.ndarray:
    """Return the same of what no model in training decides, where NaN can be nothing but a mistake."""
    array = signal_of(signal, seen)
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(seen), -1)).all(axis=1))
    if bad.size:
        raise SelectorError(
            f"Signal '{signal.name}' must be finite, but is not for {bad.size} of {len(seen)} examples (the first is "
            f"'{seen.examples[bad[0]].id}'). Give such examples a number too."
        )
    return array


def text_signals(names: Collection[str], examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Return signals of cost `text` of some examples; raises `SelectorError`."""
    seen = Seen(tuple(examples))
    return {name: finite_signal_of(signal_named(name), seen) for name in sorted(names)}


def _line_of(error: Exception) -> str:
    """Return the file and line of the provider's code where it failed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
