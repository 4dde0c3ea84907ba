"""What makes a signal this one and no other: part of the name of every result that it decides."""

import hashlib
import inspect
import sys
from collections.abc import Iterable

from farsighted.signals.registry import Provider, signal_named


def definition_of(name: str) -> dict[str, object] | None:
    """Return a JSON value that changes with what a signal is; None for a built-in one, which the program's version covers.

    The source of the provider's module is part of it.
    """
    row = signal_named(name)
    if not row.is_own:
        return None
    return {
        "name": row.name,
        "shape": list(row.shape),
        "cost": row.cost,
        "needs": sorted(row.needs),
        "version": row.version,
        "source": _source(row.provider),
    }


def definitions_of(names: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return the definitions of those that are not built in, by name."""
    found = {name: definition_of(name) for name in sorted(names)}
    return {name: definition for name, definition in found.items() if definition is not None}


def _source(provider: Provider) -> str:
    module = sys.modules.get(provider.__module__)
    try:
        # The module too: a helper or a constant beside the function decides as much.
        text = inspect.getsource(module) if module is not None else inspect.getsource(provider)
    except (OSError, TypeError):
        code = provider.__code__ if inspect.isfunction(provider) else None
        text = "" if code is None else f"{code.co_code.hex()} {code.co_names} {code.co_consts!r}"
    return hashlib.sha256(text.encode()).hexdigest()
