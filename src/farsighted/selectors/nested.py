"""The memory of a selector inside another one, kept beside the outer one's own."""

from typing import Final

from farsighted.core.values import State

_INNER: Final = "inner."


def as_inner(state: State) -> State:
    """Return the inner selector's state under names that the outer one does not use."""
    return {_INNER + name: array for name, array in state.items()}


def inner_of(state: State) -> State:
    """Return what the inner selector remembers, under its own names.

    >>> import numpy as np
    >>> inner_of({"own": np.zeros(1), **as_inner({"memory": np.ones(1)})})
    {'memory': array([1.])}
    """
    return {name.removeprefix(_INNER): array for name, array in state.items() if name.startswith(_INNER)}


def own_of(state: State) -> State:
    """Return what the outer selector itself remembers."""
    return {name: array for name, array in state.items() if not name.startswith(_INNER)}
