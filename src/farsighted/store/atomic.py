"""Writing so that a reader sees a whole file or none, whatever kills the writer.

Files and folders are written under a temporary name in the same directory, flushed to disk, renamed, and the directory
is flushed. A folder's marker file, with the SHA-256 of every file in it, is written last.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from farsighted.core.errors import StorageError
from farsighted.store.layout import MARKER, SCHEMA
from farsighted.store.record_text import RecordFile, read_record, text_of
from farsighted.store.records import MarkerRecord

MARKED: Final = RecordFile(
    MARKER, MarkerRecord, "delete the folder that holds it and run the same command again.", None
)
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Translate what the operating system says about `path` into a `StorageError` with the next step."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"The disk is full while writing '{path}'. Finished cells are kept: free some space and run the same "
                "command again."
            ) from error
        if error.errno in _DENIED:
            raise StorageError(
                f"'{path}' cannot be written: {error.strerror}. Choose another folder with --out, or change its "
                "permissions."
            ) from error
        raise StorageError(
            f"'{path}' cannot be written: {error.strerror or error}. Choose another folder with --out."
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step; raises `StorageError`."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by UTF-8 `text` in one step; raises `StorageError`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Replace `path` by a JSON value, indented, NaN refused, in one step; raises `StorageError`."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder `path` with `files` and a marker, in one step; raises `StorageError`.

    An older folder of that name is deleted first: names are content hashes or positions, so it held the same thing.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            temporary.chmod(0o755)
            for name, data in files.items():
                _write_flushed(temporary / name, data)
            manifest = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
            marker: MarkerRecord = {"schema": SCHEMA, "files": manifest}
            _write_flushed(temporary / MARKER, text_of(MARKED, marker).encode())
            _flush(temporary)
            remove_folder(path)
            _rename_folder(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush(path.parent)


def _rename_folder(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError:
        # Another process that was at the same work may have put its own there since: it holds the same thing.
        if not (path / MARKER).is_file():
            raise
        shutil.rmtree(temporary, ignore_errors=True)


def keep_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder `path` with `files` and a marker unless it is finished already; raises `StorageError`.

    For work that another process may finish at the same time and already be reading.
    """
    with new_folder(path) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill; at the end of the block it is `path`, with a marker, in one step; raises `StorageError`.

    For what is too large for `write_folder`. Where another process has finished the same folder first, its folder is
    kept: others may have it open.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            temporary.chmod(0o755)
            yield temporary
            manifest = {file.name: _flushed_digest(file) for file in sorted(temporary.iterdir())}
            marker: MarkerRecord = {"schema": SCHEMA, "files": manifest}
            _write_flushed(temporary / MARKER, text_of(MARKED, marker).encode())
            _flush(temporary)
            if not (path / MARKER).is_file():
                # What is there is half a folder, or nothing.
                remove_folder(path)
            _rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _flush(path.parent)


def check_folder(path: Path) -> None:
    """Read the files of a folder that this module wrote; raises `StorageError` where one is gone or altered."""
    manifest = read_record(MARKED, path / MARKER)["files"]
    try:
        digests = {name: _digest(path / name) for name in manifest}
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    _refuse_altered(path, manifest, digests)


def read_folder(path: Path) -> dict[str, bytes]:
    """Return the files of a folder that `write_folder` wrote; raises `StorageError` where one is gone or altered."""
    manifest = read_record(MARKED, path / MARKER)["files"]
    try:
        files = {name: (path / name).read_bytes() for name in manifest}
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    _refuse_altered(path, manifest, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    return files


def _refuse_altered(path: Path, manifest: Mapping[str, str], digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        if digest != manifest[name]:
            raise _damaged(path, f"{name} was altered")


def remove_folder(path: Path) -> None:
    """Delete a folder if it is there; its marker goes first, so that a half-deleted folder never counts."""
    with storage_errors(path):
        (path / MARKER).unlink(missing_ok=True)
        if path.exists():
            shutil.rmtree(path)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is deleted at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="farsighted-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def ensure_writable(folder: Path) -> None:
    """Create `folder` and prove that a file can be written there; raises `StorageError`."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flushed_digest(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(path: Path, what: str) -> StorageError:
    return StorageError(
        f"The folder '{path}' must hold what its {MARKER} states, but {what}. Delete it and run the same command "
        "again: what it held is computed anew."
    )


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
