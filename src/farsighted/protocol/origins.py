"""Where the selectors of an audit are written, so that a worker process can import them."""

from collections.abc import Iterable, Iterator

from farsighted.core.errors import SelectorError
from farsighted.protocol.plan import Cell
from farsighted.selectors import Selector, parts_of


def selector_modules(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the modules that define the cells' own selectors, those inside another selector included, sorted.

    Raises `SelectorError` for a selector that is defined in a script or a notebook: a worker is a fresh process, and
    running the script again would start the audit again.
    """
    found = {type(part).__module__: part.name for cell in cells for part in _parts(cell.selector)}
    if "__main__" in found:
        raise SelectorError(
            f"Selector '{found['__main__']}' must stand in a module, because worker processes import it, but it is "
            "defined in the script or notebook that is run. Move its class into a file of its own and import it from "
            "there."
        )
    return tuple(sorted(name for name in found if name.split(".")[0] != "farsighted"))


def _parts(selector: Selector) -> Iterator[Selector]:
    yield selector
    for part in parts_of(selector).values():
        yield from _parts(part)
