"""The table of signals and how a signal gets into it; nothing here imports torch.

A signal is what is known of each candidate of a pool. A new one is one file, imported by the selector that reads it or
named under the entry points `farsighted.signals`, and one test (`farsighted.testing.signals.check_signal`):

    from farsighted import Seen, register_signal

    def surprise(seen: Seen) -> np.ndarray:
        "Largest NLL of a response token, nats: one wrong word in a good answer."
        return np.array([nll_L.max() for nll_L in seen.tokens["token_nll"]])

    register_signal("surprise", shape=("N",), cost="forward", needs={"token_nll"}, provider=surprise)

The docstring of the provider is what `farsighted signals surprise` prints.

*Reference:* definitions.md#custom-signals.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from farsighted.core.doors import Door
from farsighted.core.errors import SelectorError
from farsighted.core.names import did_you_mean
from farsighted.core.values import Example
from farsighted.signals.token_names import TOKEN_PREFIX, TOKEN_READINGS

Cost = Literal["metadata", "text", "forward", "backward", "warm_up", "reference"]
"""What must be done for a signal. `metadata`: nothing, it comes with the data or the run. `text`: read the examples,
once per pool. `forward`: a forward pass of the current model over the candidates. `backward`: that and a backward pass.
`warm_up`: a short training run from the start model, once per seed and pool. `reference`: a forward pass of a model
that never changes, once per pool."""
Shape = tuple[int | Literal["N", "D"], ...]
"""N candidates, D hidden width of the model; without an N it belongs to the run, and not to a candidate."""

COST_IN_WORDS: Final[Mapping[Cost, str]] = MappingProxyType(
    {
        "metadata": "0",
        "text": "0, text read once per pool",
        "forward": "1 forward",
        "backward": "1 forward + 1 backward",
        "warm_up": "a warm-up run once per seed and pool",
        "reference": "1 forward once per pool",
    }
)
"""Each cost in passes over the candidates."""

POSITIONS: Final = ("response", "non_pad")
"""Positions whose logits can enter `nuclear_norm` and `logit_sketch`; any but the first is written behind a colon."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a provider reads of N examples; it changes nothing of it."""

    examples: tuple[Example, ...]
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What it needs, (N,) or (N, width); under `warm_up` (N, E) or (N, E, width), one column for each of E epochs."""
    tokens: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    """The needs that begin with `token_`: for each example one array, (response tokens,)."""

    def __len__(self) -> int:
        return len(self.examples)


Provider = Callable[[Seen], np.ndarray]
"""Returns the signal of the examples seen, one row each; the same for an example whatever is seen beside it."""


@dataclass(frozen=True, slots=True)
class AsLeft:
    """The provider of a built-in signal: the pass, or the data, leaves it under the signal's own name."""

    name: str
    text: str
    """What the signal is, in words."""

    def __call__(self, seen: Seen) -> np.ndarray:
        """Return it as it was left."""
        return seen.rows[self.name]


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of the table."""

    name: str
    shape: Shape
    cost: Cost
    needs: frozenset[str]
    """What the provider reads: names of built-in signals, or `token_` before one that is a mean over tokens."""
    provider: Provider
    version: int
    """Raised by whoever changes what the signal is."""

    @property
    def is_context(self) -> bool:
        """Whether it belongs to the run and not to a candidate (`Signals.context`)."""
        return self.shape[:1] != ("N",)

    @property
    def is_own(self) -> bool:
        """Whether it is computed by a function, built-in signals being left by the pass or the data as they are."""
        return not isinstance(self.provider, AsLeft)

    @property
    def is_once(self) -> bool:
        """Whether it is computed once for a pool, and not of a model that is in training."""
        return self.is_own and self.cost in {"text", "warm_up", "reference"}

    @property
    def text(self) -> str:
        """What it is, in words: the docstring of its provider."""
        if isinstance(self.provider, AsLeft):
            return self.provider.text
        return inspect.getdoc(self.provider) or ""

    @property
    def summary(self) -> str:
        """The first paragraph of the text, on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())


_DOOR: Final = Door("farsighted.signals", "Signal", SelectorError)

# A plain table: a notebook cell that is run again must be able to replace its own signal.
_TABLE: Final[dict[str, Signal]] = {}

SIGNALS: Final[Mapping[str, Signal]] = MappingProxyType(_TABLE)
"""Every signal that is registered so far."""


def register_signal(
    name: str, shape: Shape, cost: Cost, needs: Iterable[str], provider: Provider, version: int = 1
) -> None:
    """Put a signal into the table; running the same definition again replaces it.

    Args:
        name: What selectors write into their `needs`: small letters, digits and underscores.
        shape: `("N",)` for a number a candidate, `("N", 8)` or `("N", "D")` for a row of them.
        cost: What must be done for it; see `Cost`.
        needs: What the provider reads. Under `text` nothing; under `forward` and `backward` what the one pass leaves:
            names of built-in signals, or `token_nll` and its like for every response token; under `warm_up` built-in
            signals, recorded after each epoch; under `reference` those of a forward pass, of the reference model.
        provider: The function that computes it from what was seen; its docstring says what the signal is.
        version: Raise it to have results computed again where the source does not show a change.

    Raises:
        SelectorError: A name that is taken or no word, an unknown cost or need, a shape that cannot be, or a provider
            that is no function.
    """
    signal = Signal(name, tuple(shape), cost, frozenset(needs), provider, version)
    _check(signal)
    known = _TABLE.get(name)
    if known is not None and _definition(known) != _definition(signal):
        raise SelectorError(
            f"There is a signal '{name}' already (of {_definition(known)[0]}). Give yours another name."
        )
    _TABLE[name] = signal


def signal_named(name: str) -> Signal:
    """Return a signal by its name, from the table or an installed package, or by its provider, `package.module:name`.

    Raises:
        SelectorError: There is none (with the nearest name), or what should register it cannot be imported.
    """
    if name in _TABLE:
        return _TABLE[name]
    if name in _DOOR.installed():
        _DOOR.from_package(name)
        if name not in _TABLE:
            raise SelectorError(
                f"Signal '{name}' is offered by an installed package, but loading it does not register the signal. "
                "Repair or remove that package."
            )
        return _TABLE[name]
    if ":" in name and at_positions(name)[1] not in POSITIONS:
        return _of_provider(_DOOR.from_module(name), name)
    raise SelectorError(f"There is no signal '{name}'. {did_you_mean(name, signal_names())}")


def signal_names() -> tuple[str, ...]:
    """Return the names of all signals that are registered or installed, sorted."""
    return tuple(sorted({*_TABLE, *_DOOR.installed()}))


def at_positions(name: str) -> tuple[str, str]:
    """Return a signal's plain name and its positions.

    >>> at_positions("nuclear_norm:non_pad"), at_positions("nll")
    (('nuclear_norm', 'non_pad'), ('nll', 'response'))
    """
    plain, _, positions = name.partition(":")
    return plain, positions or POSITIONS[0]


def _check(signal: Signal) -> None:
    name = signal.name
    if re.fullmatch(f"[a-z][a-z0-9_]*(:({'|'.join(POSITIONS[1:])}))?", name) is None:
        raise SelectorError(
            f"A signal's name must be small letters, digits and underscores, but is '{name}'. Choose another one."
        )
    if signal.cost not in get_args(Cost):
        raise SelectorError(
            f"Signal '{name}' must have a cost that exists. {did_you_mean(signal.cost, get_args(Cost))}"
        )
    if not signal.is_own:
        return
    if not isinstance(signal.provider, FunctionType):
        raise SelectorError(
            f"The provider of signal '{name}' must be a function of a module, so that its source can be part of a "
            f"result's name, but is {signal.provider!r}. Write it with def."
        )
    if signal.is_context or not all(size == "D" or (isinstance(size, int) and size > 0) for size in signal.shape[1:]):
        raise SelectorError(
            f'The shape of signal \'{name}\' must begin with "N", a row a candidate, with numbers or "D" behind it, '
            f'but is {signal.shape}. Write ("N",) for a number a candidate.'
        )
    _check_needs_of(signal)


def _check_needs_of(signal: Signal) -> None:
    allowed = _readable(signal.cost)
    for need in sorted(signal.needs - allowed):
        raise SelectorError(
            f"Signal '{signal.name}' of cost '{signal.cost}' needs '{need}', which is not there to be read. "
            + (did_you_mean(need, allowed) if allowed else "Leave `needs` empty: it reads the examples.")
        )
    if signal.cost == "metadata":
        raise SelectorError(
            f"Signal '{signal.name}' must have a cost, but `metadata` is what farsighted hands in. Write `text` for a "
            "function of the examples and their fields."
        )
    if signal.cost == "backward" and not any(_TABLE[need].cost == "backward" for need in signal.needs & _TABLE.keys()):
        raise SelectorError(
            f"Signal '{signal.name}' of cost 'backward' must need grad_norm or grad_sketch, but needs "
            f"{', '.join(sorted(signal.needs)) or 'nothing'}. Write cost='forward': no backward pass is made for it."
        )
    if signal.cost in {"forward", "warm_up", "reference"} and not signal.needs:
        raise SelectorError(
            f"Signal '{signal.name}' of cost '{signal.cost}' must need something, but needs nothing. Name what it "
            "reads, or write cost='text'."
        )


def _readable(cost: Cost) -> frozenset[str]:
    """Return what a provider may need."""
    left = {row.name: row for row in _TABLE.values() if not row.is_own and not row.is_context}
    forward = {name for name, row in left.items() if row.cost == "forward"}
    every = forward | {name for name, row in left.items() if row.cost == "backward"}
    tokens = {name for name in TOKEN_READINGS if name.removeprefix(TOKEN_PREFIX) in forward}
    by_cost: dict[Cost, set[str]] = {
        "forward": forward | tokens,
        "backward": every | tokens,
        "warm_up": every,
        "reference": forward | {"embedding"},
    }
    return frozenset(by_cost.get(cost, ()))


def _definition(signal: Signal) -> tuple[str, str]:
    """Return where a provider is written: its file (its module where there is none) and its name in it."""
    provider = signal.provider
    if not isinstance(provider, FunctionType):
        return "farsighted", signal.name
    # A script's functions are `__main__`'s to itself and its module's to whoever imports it.
    file = getattr(sys.modules.get(provider.__module__), "__file__", None)
    return file or provider.__module__, provider.__qualname__


def _of_provider(provider: object, path: str) -> Signal:
    """Return the signal that a function is the provider of."""
    found = [row for row in _TABLE.values() if row.provider is provider]
    if not found:
        raise SelectorError(
            f"'{path}' must be the provider of a signal, but nothing registers it. Call `register_signal` in its "
            "module."
        )
    return found[0]
