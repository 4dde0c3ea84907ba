"""The source behind a class or a function that is not this package's own: read from its files, never run.

A rule is more than its class: helpers, constants and imported modules decide as much. So a fingerprint covers every
local module that can be reached by imports. Local is what lies outside of the standard library, of installed packages
and of this package. What is read is what is on disk: data files that code opens cannot be seen, nor that a session
still holds an older version in memory.
"""

import ast
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final, NamedTuple

_PACKAGE: Final = __name__.partition(".")[0]
_PACKAGE_FOLDER: Final = Path(__file__).resolve().parents[1]
_IMPORTS: Final = frozenset({"import_module", "__import__"})
_LOADERS: Final = frozenset({"run_path", "run_module", "spec_from_file_location"})
_RUNNERS: Final = frozenset({"exec", "eval"})


class Sources(NamedTuple):
    """What a class or a function depends on."""

    digest: str | None
    """SHA-256 of its source and of the local modules that it imports; None where all of it is this package's own."""
    modules: tuple[str, ...]
    """Names of the local modules that were read, sorted."""
    notes: tuple[str, ...]
    """A sentence for each place where the code names a module only when it runs."""


class _Place(NamedTuple):
    """Where a module is written."""

    file: Path | None
    folders: Sequence[str] | None
    """Where its submodules are; None for a module that is no package."""
    package: str
    """What its relative imports start from."""


def sources_of(thing: type | Callable[..., object]) -> Sources:
    """Return the digest of what decides what a class or a function does, its bases' sources included.

    Imports are followed from module to module: relative ones, those inside of functions, packages' `__init__`, and
    `import_module("a constant")`. Of a class in an installed package, the package's version and the class's module
    count. What was typed at a prompt has no file: there its byte code counts, and that of the functions it names.
    """
    parts = inspect.getmro(thing) if isinstance(thing, type) else (thing,)
    foreign = [part for part in parts if part.__module__.partition(".")[0] != _PACKAGE and not _standard(part)]
    digest, walk = hashlib.sha256(), _Walk()
    for part in foreign:
        digest.update(f"{part.__qualname__}\n".encode())
        digest.update(_source(part, walk).encode())
    return Sources(digest.hexdigest() if foreign else None, tuple(sorted(walk.read)), tuple(dict.fromkeys(walk.notes)))


def told(error: BaseException) -> str:
    """Return what somebody's code raised, on one line and without a full stop, with the place in that code.

    >>> told(ValueError("too many  values."))
    'ValueError: too many values'
    """
    # A stranger's message may end in anything or be empty.
    message = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(" .:")
    place = place_of(error)
    return f"{message} ({place})" if place else message


def place_of(error: BaseException) -> str:
    """Return the innermost line of local code that an exception passed, as "mine.py, line 3"; empty where none did."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(Path(error.filename))}, line {error.lineno}"
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    local = [f"{_shown(file)}, line {line}" for file, line in frames if is_local(file)]
    return local[-1] if local else ""


def is_local(file: Path) -> bool:
    """Return whether a file is the user's own: neither standard library nor installed package nor this package."""
    # An import of generated code has a file name like "<frozen importlib>".
    if str(file).startswith("<"):
        return False
    whole = file.resolve()
    if {"site-packages", "dist-packages"} & set(whole.parts):
        return False
    return not any(whole.is_relative_to(folder) for folder in (_PACKAGE_FOLDER, *_installed_folders()))


class _Walk:
    """Follows imports from local module to local module."""

    def __init__(self) -> None:
        self.read: dict[str, str] = {}
        """Module name to the SHA-256 of its file."""
        self.notes: list[str] = []
        self._known: dict[str, tuple[str, list[str]]] = {}

    def digest(self, root: str) -> str:
        """Return the SHA-256 of a module and of all local ones that it leads to; the root's own name does not count."""
        reached: dict[str, str] = {}
        waiting = [root]
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            if name not in self._known:
                self._known[name] = self._module(name)
            reached[name], following = self._known[name]
            waiting += following
        lines = [f"{'' if name == root else name} {content}" for name, content in reached.items() if content]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def _module(self, name: str) -> tuple[str, list[str]]:
        """Return the hash of a module's file and the names that it imports; empty where it is not local."""
        place = _place(name)
        if place is None or place.file is None or not is_local(place.file):
            # A namespace package has no file; what is imported from it is followed by its own name.
            return "", []
        content = place.file.read_bytes()
        self.read[name] = hashlib.sha256(content).hexdigest()
        if place.file.suffix != ".py":
            return self.read[name], []
        seeker = _Imports(place)
        try:
            seeker.visit(ast.parse(content, str(place.file)))
        except SyntaxError as error:
            self.notes.append(f"{place_of(error)}: this is no Python, so what the module imports is not followed.")
        self.notes += seeker.notes
        return self.read[name], list(_with_parents([name, *seeker.names]))


class _Imports(ast.NodeVisitor):
    """Gathers the names that a module imports, wherever in it the import is written."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self.names: list[str] = []
        self.notes: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.names += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._absolute("." * node.level + (node.module or ""))
        if base:
            # `from a import b` reads the module a, and a.b too where that is one.
            self.names += [base, *(f"{base}.{alias.name}" for alias in node.names)]

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        # `model.eval()` runs no text: only the built-in functions do.
        if called in _RUNNERS and isinstance(node.func, ast.Attribute):
            return
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if called not in _IMPORTS | _LOADERS | _RUNNERS or not given:
            return
        first = given[0]
        constant = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if called in _IMPORTS and constant and (name := self._absolute(constant)):
            self.names.append(name)
        elif called not in _RUNNERS or constant is None or not self._followed(constant):
            self._note(node)

    def _followed(self, text: str) -> bool:
        """Follow what a text that is run imports; returns whether it is Python."""
        try:
            self.visit(ast.parse(text))
        except SyntaxError:
            return False
        return True

    def _absolute(self, name: str) -> str | None:
        try:
            return importlib.util.resolve_name(name, self._place.package)
        except ImportError:
            # It leads out of the package: running it would fail as well.
            return None

    def _note(self, node: ast.Call) -> None:
        self.notes.append(
            f"{_shown(self._place.file)}, line {node.lineno}: what `{ast.unparse(node.func)}` loads is known only when "
            "it runs and cannot be followed. An edit there does not run finished cells again: delete them, or import "
            "the module by its name."
        )


def _source(part: type | Callable[..., object], walk: _Walk) -> str:
    place = _place(part.__module__)
    if place is None or place.file is None:
        return _typed(part, walk, set())
    if is_local(place.file):
        return walk.digest(part.__module__)
    return f"{_distribution(part.__module__)} {hashlib.sha256(place.file.read_bytes()).hexdigest()}"


def _standard(part: type | Callable[..., object]) -> bool:
    """Return whether a thing comes with Python."""
    top = part.__module__.partition(".")[0]
    if top in sys.builtin_module_names:
        return True
    place = _place(part.__module__) if top in sys.stdlib_module_names and top != "__main__" else None
    return place is not None and (place.file is None or not is_local(place.file))


def _place(name: str) -> _Place | None:
    """Return where a module is, without running any code: importlib's own search would import its parents."""
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None) or (None if isinstance(loaded, ModuleType) else _found(name))
    if spec is None:
        # A script: it has a file, and is no part of a package.
        file = getattr(loaded, "__file__", None)
        return _Place(Path(file), None, "") if file else None
    folders = spec.submodule_search_locations
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    return _Place(file, folders, spec.name if folders is not None else spec.name.rpartition(".")[0])


def _found(name: str) -> importlib.machinery.ModuleSpec | None:
    parent = name.rpartition(".")[0]
    above = _place(parent) if parent else None
    if parent and (above is None or above.folders is None):
        return None
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None if above is None else above.folders)
        if spec is not None:
            return spec
    return None


def _with_parents(names: Sequence[str]) -> Iterator[str]:
    """Yield names with the packages that they are in: importing a.b runs a's `__init__` first."""
    for name in names:
        pieces = name.split(".")
        # Nothing below an installed package is local, and there is much of it.
        if (top := _place(pieces[0])) is None or (top.file is not None and not is_local(top.file)):
            continue
        for depth in range(len(pieces)):
            yield ".".join(pieces[: depth + 1])


def _typed(part: object, walk: _Walk, seen: set[int]) -> str:
    """Return the byte code of what was typed at a prompt, and of the functions and constants that it names."""
    if id(part) in seen:
        return ""
    seen.add(id(part))
    if isinstance(part, type):
        members = ((name, _function(thing)) for name, thing in sorted(vars(part).items()))
        return "\n".join(f"{name} {_constant(thing)} {_typed(thing, walk, seen)}" for name, thing in members)
    if not isinstance(part, FunctionType):
        return ""
    told = [_bytes(part.__code__)]
    for name in sorted(_names(part.__code__)):
        thing = part.__globals__.get(name)
        if isinstance(thing, ModuleType):
            told.append(walk.digest(thing.__name__))
        elif isinstance(thing, type | FunctionType):
            alike = thing.__module__ == part.__module__
            told.append(_typed(thing, walk, seen) if alike else walk.digest(thing.__module__))
        else:
            told.append(f"{name} {_constant(thing)}")
    return "\n".join(told)


def _function(thing: object) -> object:
    return thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)


def _names(code: CodeType) -> set[str]:
    inside = [_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inside)


def _bytes(code: CodeType) -> str:
    return f"{code.co_code.hex()} {code.co_names} {[_constant(part) for part in code.co_consts]}"


def _constant(value: object) -> str:
    """Return a constant as text that is the same in every process; empty for what is none."""
    if isinstance(value, CodeType):
        return _bytes(value)
    if isinstance(value, frozenset):
        # The order of a set of texts is another one in every process.
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value) if value is None or isinstance(value, bool | int | float | complex | str | bytes) else ""


def _distribution(module: str) -> str:
    """Return name and version of the installed packages that a module may belong to."""
    names = _distributions().get(module.partition(".")[0], ())
    return " ".join(sorted(f"{name} {importlib.metadata.version(name)}" for name in set(names)))


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    # Every installed package is looked through: once a process is enough.
    return importlib.metadata.packages_distributions()


@cache
def _installed_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in names})


def _shown(file: Path | None) -> str:
    if file is None:
        return "a prompt"
    whole, here = file.resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
