"""How the package finds what others add to it: entry points of installed packages, and modules named by their path."""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farsighted.core.errors import FarsightedError
from farsighted.core.names import did_you_mean
from farsighted.core.source import told


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of thing that others may add."""

    group: str
    """Group of entry points under which an installed package offers it."""
    noun: str
    """What it is called in a message, with a capital."""
    error: type[FarsightedError]
    """Raised where it cannot be loaded."""
    fits: Callable[[object], bool] = callable
    """Whether a thing in a module may be meant; such names are suggested for a misspelt one."""

    def installed(self) -> Mapping[str, importlib.metadata.EntryPoint]:
        """Return what installed packages offer, by name; nothing is imported."""
        return {point.name: point for point in importlib.metadata.entry_points(group=self.group)}

    def from_package(self, name: str) -> object:
        """Return what an installed package offers under a name of `installed`; raises the door's error."""
        point = self.installed()[name]
        try:
            return point.load()
        except Exception as error:  # A module may raise anything while it is imported.
            raise self.error(
                f"{self.noun} '{point.name}' is offered by an installed package as {point.value}, but loading it "
                f"failed with {told(error)}. Repair or remove that package."
            ) from error

    def from_module(self, path: str) -> object:
        """Return what `package.module:Name` names, importable from the current folder; raises the door's error."""
        module_name, _, attribute = path.partition(":")
        folder = str(Path.cwd())
        if folder not in sys.path:
            sys.path.append(folder)
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # A module may raise anything while it is imported.
            raise self.error(
                f"{self.noun} '{path}' cannot be loaded: importing `{module_name}` failed with {told(error)}. "
                f"The module must be importable from the current folder ({folder})."
            ) from error
        if not hasattr(module, attribute):
            names = [name for name, thing in vars(module).items() if self.fits(thing)]
            raise self.error(
                f"{self.noun} '{path}' cannot be loaded: `{module_name}` ({getattr(module, '__file__', 'built in')}) "
                f"has no '{attribute}'. {did_you_mean(attribute, names)}"
            )
        found: object = getattr(module, attribute)
        return found

    def find(self, name: str, built_in: Mapping[str, object]) -> object:
        """Return what a name stands for: built in, else installed, else the path of a module's member.

        Raises:
            FarsightedError: The door's own; there is no such name, it cannot be loaded, or it does not fit.
        """
        if name in built_in:
            return built_in[name]
        installed = self.installed()
        if name not in installed and ":" not in name:
            raise self.error(
                f"There is no {self.noun.lower()} '{name}'. {did_you_mean(name, {*built_in, *installed})} One of your "
                "own is named as package.module:Name."
            )
        found = self.from_package(name) if name in installed else self.from_module(name)
        if not self.fits(found):
            raise self.error(f"{self.noun} '{name}' cannot be used: what it names is {found!r}. Name something else.")
        return found
