"""From what a pass, a run or the data leaves to the signals that were asked for: providers are called nowhere else.

Shape letters: N examples, E epochs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.source import place_of
from farsighted.core.values import Example, Tokens
from farsighted.signals.registry import Seen, Signal, signal_named
from farsighted.signals.token_names import TOKEN_PREFIX

_NUMBERS: Final = "biuf"


def provided(names: Collection[str], batch: Sequence[Tokens], left: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the named signals of a batch from what its pass left: `readings_of(names)`, one row an example.

    `left`: of a name that begins with `token_` one value a response token of the batch, example after example.

    Raises:
        SelectorError: A provider failed or gave an array of another shape, or a signal comes from no pass.
    """
    rows = [signal_named(name) for name in sorted(names)]
    own = [row for row in rows if row.is_own]
    found = {row.name: row.provider(Seen((), left)) for row in rows if not row.is_own}
    if not own:
        return found
    examples = tuple(tokens.example for tokens in batch)
    lengths = [tokens.response_length for tokens in batch]
    for row in own:
        if row.is_once:
            raise SelectorError(
                f"Signal '{row.name}' of cost '{row.cost}' is computed once for a pool, and not by a pass of the "
                "current model. Hand it in with what is known of the pool."
            )
        found[row.name] = _computed(row, _seen(row, examples, left, lengths))
    return found


def once_signals(
    names: Collection[str], examples: Sequence[Example], left: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return signals that are computed once for a pool, from what a reference model or a warm-up run left of it.

    `left`: what their providers read, one row an example; nothing for signals of the text.

    Raises:
        SelectorError: A provider failed, or gave an array of another shape or one that is not finite.
    """
    rows = [signal_named(name) for name in sorted(names)]
    return {row.name: _finite(row, _seen(row, tuple(examples), left)) for row in rows}


def text_signals(names: Collection[str], examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Return signals of cost `text` of some examples; raises as `once_signals` does."""
    return once_signals(names, examples, {})


def _seen(
    signal: Signal, examples: tuple[Example, ...], left: Mapping[str, np.ndarray], lengths: Sequence[int] = ()
) -> Seen:
    """Return what a provider may read, and not write: others read it too."""
    views = {need: left[need].view() for need in signal.needs}
    for view in views.values():
        view.flags.writeable = False
    rows = {need: view for need, view in views.items() if not need.startswith(TOKEN_PREFIX)}
    ends = np.cumsum(lengths)[:-1]
    tokens = {need: tuple(np.split(view, ends)) for need, view in views.items() if need.startswith(TOKEN_PREFIX)}
    return Seen(examples, rows, tokens)


def _computed(signal: Signal, seen: Seen) -> np.ndarray:
    """Return what a provider makes of what was seen, of the signal's shape."""
    try:
        array = np.asarray(signal.provider(seen))
    except Exception as error:
        raise SelectorError(
            f"The provider of signal '{signal.name}' failed with {type(error).__name__}: {error} "
            f"({place_of(error)}). Correct it there."
        ) from error
    wanted = (len(seen), *signal.shape[1:])
    fits = array.ndim == len(wanted) and all(
        size in ("D", found) for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in _NUMBERS:
        raise SelectorError(
            f"Signal '{signal.name}' must be an array of numbers of the shape {signal.shape}, here with N = "
            f"{len(seen)}, but its provider gave {array.dtype} of the shape {array.shape}. Return one row for each "
            "example seen."
        )
    return array


def _finite(signal: Signal, seen: Seen) -> np.ndarray:
    """Return the same of what no model in training decides, where NaN can be nothing but a mistake."""
    array = _computed(signal, seen)
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(seen), -1)).all(axis=1))
    if bad.size:
        raise SelectorError(
            f"Signal '{signal.name}' must be finite, but is not for {bad.size} of {len(seen)} examples (the first is "
            f"'{seen.examples[bad[0]].id}'). Give such examples a number too."
        )
    return array
