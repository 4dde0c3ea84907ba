"""What makes a signal this one and no other: part of the name of every result that it decides."""

from collections.abc import Iterable

from farsighted.core.source import Sources, sources_of
from farsighted.signals.registry import signal_named


def definition_of(name: str) -> dict[str, object] | None:
    """Return a JSON value that changes with what a signal is; None for a built-in one, which the program stands for.

    The source of the provider is part of it, with the local modules that it imports (`core.source`).
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
        "source": sources_of(row.provider).digest,
    }


def definitions_of(names: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return the definitions of those that are not built in, by name."""
    found = {name: definition_of(name) for name in sorted(names)}
    return {name: definition for name, definition in found.items() if definition is not None}


def signal_sources(names: Iterable[str]) -> dict[str, Sources]:
    """Return where the providers of those that are not built in are written, by name."""
    rows = [signal_named(name) for name in sorted(names)]
    return {row.name: sources_of(row.provider) for row in rows if row.is_own}
