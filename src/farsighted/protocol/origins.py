"""Where the selectors and signals of an audit are written, so that a worker process can import them."""

from collections.abc import Iterable, Iterator

from farsighted.core.errors import SelectorError
from farsighted.protocol.plan import Cell
from farsighted.selectors import Selector, parts_of, unfollowed
from farsighted.signals.definition import signal_sources
from farsighted.signals.registry import signal_named


def selector_modules(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the modules that define the cells' own selectors and the signals that these read, sorted.

    Selectors inside another selector are included. Raises `SelectorError` for what is defined in a script or a
    notebook: a worker is a fresh process, and running the script again would start the audit again.
    """
    selectors = [cell.selector for cell in cells]
    found = {type(part).__module__: ("Selector", part.name, "class") for whole in selectors for part in _parts(whole)}
    own = [signal_named(name) for name in sorted({name for whole in selectors for name in whole.needs})]
    found |= {row.provider.__module__: ("Signal", row.name, "provider") for row in own if row.is_own}
    if "__main__" in found:
        noun, name, what = found["__main__"]
        raise SelectorError(
            f"{noun} '{name}' must stand in a module, because worker processes import it, but it is defined in the "
            f"script or notebook that is run. Move its {what} into a file of its own and import it from there."
        )
    return tuple(sorted(name for name in found if name.split(".")[0] != "farsighted"))


def own_selectors(cells: Iterable[Cell]) -> tuple[Selector, ...]:
    """Return the cells' selectors that are not this package's own, or hold one that is not; each once."""
    wholes = {cell.label: cell.selector for cell in cells}.values()
    return tuple(whole for whole in wholes if not all(map(_is_ours, _parts(whole))))


def unfollowed_notes(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return a sentence for each import, in own selectors and signals, that a cell's name does not cover."""
    selectors = {cell.label: cell.selector for cell in cells}.values()
    notes = [note for selector in selectors for note in unfollowed(selector)]
    names = {name for selector in selectors for name in selector.needs}
    notes += [note for sources in signal_sources(names).values() for note in sources.notes]
    return tuple(dict.fromkeys(notes))


def _is_ours(selector: Selector) -> bool:
    return type(selector).__module__.partition(".")[0] == "farsighted"


def _parts(selector: Selector) -> Iterator[Selector]:
    yield selector
    for part in parts_of(selector).values():
        yield from _parts(part)
