"""What is written stays apart from what is read: no output is an input, or would be read as one the next time.

*Reference:* definitions.md#outputs.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from farsighted.core.errors import ConfigError, DataError
from farsighted.files.hub import HUB
from farsighted.files.readers import GLOB_CHARACTERS, SUFFIXES, find_files


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a command reads, as it was asked for."""

    root: Path = Path()
    """Folder that relative paths of data start from, absolute."""
    data: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What it is for, in the user's words, to paths, globs and folders."""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """What it is to a folder that is read whole: models."""

    def entries(self) -> Iterator[tuple[str, str]]:
        """Yield each path of data with what it is for; hub names aside, which lie in a cache."""
        for what, paths in self.data.items():
            yield from ((what, path) for path in paths if not path.startswith(HUB))


def refuse_onto_inputs(targets: Iterable[Path], inputs: Inputs) -> None:
    """Raise where a file that is to be written is read, or would be read by the same command the next time.

    Files are compared as the system knows them: a link to an input is that input.

    Args:
        targets: Files to write; they need not be there yet.
        inputs: What is read.

    Raises:
        ConfigError: With the file, what reads it, and the way out.
    """
    for target in targets:
        why = _why_not(target, inputs)
        if why is not None:
            raise ConfigError(f"'{target}' must not be written: {why}. Give another file with `--out`.")


def _why_not(target: Path, inputs: Inputs) -> str | None:
    for what, path in inputs.entries():
        if any(_same(target, file) for file in _files(path, inputs.root, target)):
            return f"it is a file of {what} ('{path}')"
        if reads(path, inputs.root, target):
            return f"'{path}', which is read as {what}, leads to it, so the next call would read it"
    return next(
        (f"it is in the folder of {what}, '{at}'" for what, at in inputs.folders.items() if _inside(target, at)), None
    )


def _files(path: str, root: Path, target: Path) -> tuple[Path, ...]:
    """Return the files that a target may be: what a glob leads to is looked through only for a target that is there."""
    named = root / Path(path).expanduser()
    if named.is_file() or not target.exists():
        return (named,)
    try:
        return find_files(path, root)
    except DataError:
        # Whoever reads it says what is wrong.
        return ()


def refuse_folder_in_inputs(folder: Path, own: Iterable[str], inputs: Inputs, option: str = "--out") -> None:
    """Raise where what is written below a folder would be read, or a file that is read lies among it.

    Args:
        folder: What is written to; it need not be there yet.
        own: Names of files and folders in it that are written, over what is there.
        inputs: What is read.
        option: What names the folder, for messages.

    Raises:
        ConfigError: With the folder, what reads it, and the way out.
    """
    way_out = f"Give another folder with `{option}`."
    for what, path in inputs.entries():
        if _leads_below(path, inputs.root, folder):
            raise ConfigError(
                f"The folder '{folder}' must not be written to: its files would be read the next time, because "
                f"'{path}', which is read as {what}, leads into it. {way_out}"
            )
        given = inputs.root / Path(path).expanduser()
        written = next((name for name in own if _inside(given, folder / name)), None)
        if written is not None:
            raise ConfigError(f"'{folder / written}' is written, but '{path}' in it is read as {what}. {way_out}")
    for what, model in inputs.folders.items():
        if _inside(folder, model):
            raise ConfigError(f"'{folder}' must not be written into the folder of {what}, '{model}'. {way_out}")


def reads(path: str, root: Path, target: Path) -> bool:
    """Tell whether a folder or a glob leads to a file, there or not; see `files.readers.find_files`.

    >>> reads("data/*.jsonl", Path("/w"), Path("/w/data/picked.jsonl")), reads("data", Path("/w"), Path("/w/x.jsonl"))
    (True, False)
    """
    if not target.name.endswith(SUFFIXES):
        return False
    fixed, pattern = _pattern(path, root)
    return bool(pattern) and any(
        not any(part.startswith(".") for part in parts) and _matches(parts, pattern) for parts in _below(target, fixed)
    )


def _leads_below(path: str, root: Path, folder: Path) -> bool:
    """Tell whether a folder or a glob may lead to some file below a folder."""
    fixed, pattern = _pattern(path, root)
    return bool(pattern) and any(
        not any(part.startswith(".") for part in parts) and _enters(parts, pattern) for parts in _below(folder, fixed)
    )


def _pattern(path: str, root: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the part of a path that names one folder, and the parts of what is looked for there; () for a file."""
    whole = root / Path(path).expanduser()
    if whole.is_dir():
        return whole, ("**", "*")
    if whole.is_file() or not GLOB_CHARACTERS & set(path):
        return whole, ()
    fixed = next((parent for parent in whole.parents if not GLOB_CHARACTERS & set(str(parent))), whole)
    return fixed, whole.relative_to(fixed).parts


def _below(target: Path, folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield the parts of a path below a folder, by their names and by what links lead to."""
    for base in {Path(os.path.abspath(folder)), folder.resolve()}:  # noqa: PTH100 — it keeps links, unlike resolve
        for placed in {Path(os.path.abspath(target)), _real(target)}:  # noqa: PTH100
            if placed.is_relative_to(base):
                yield placed.relative_to(base).parts


def _real(target: Path) -> Path:
    """Return where a file is written: its folder's links are followed, its own is replaced."""
    return target.parent.resolve() / target.name if target.name else target.resolve()


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _enters(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether something below `parts` may match."""
    if not parts or not pattern:
        return bool(pattern)
    return pattern[0] == "**" or (fnmatchcase(parts[0], pattern[0]) and _enters(parts[1:], pattern[1:]))


def _same(target: Path, file: Path) -> bool:
    if not file.is_file():
        return False
    return _real(target) == file.resolve() or (target.exists() and target.samefile(file))


def _inside(target: Path, folder: Path) -> bool:
    return any(True for _ in _below(target, folder))
