import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from farsighted.core.errors import StorageError
from farsighted.store import atomic
from farsighted.store.layout import MARKER
from oracles.killed_writer import kill_while_writing

FILES = {"a.json": b"{}", "b.bin": b"\0" * 100}


IMPORT = "from farsighted.store import atomic\n"


def is_complete(folder):
    manifest = json.loads((folder / MARKER).read_text())["files"]
    return manifest == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != MARKER
    }


def failing(number, on_call=1, calls=None):
    """Return a stand-in for a system call that fails with an error number from its `on_call`-th use on."""
    calls = [] if calls is None else calls

    def fail(*arguments, **options):
        calls.append(arguments)
        if len(calls) >= on_call:
            raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_written_with_the_folders_on_its_way_and_then_replaced(tmp_path):
    path = tmp_path / "deep" / "er" / "x.txt"
    atomic.write_text(path, "old")
    atomic.write_text(path, "né")
    assert path.read_bytes() == "né".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_json_is_written_as_readable_text_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    atomic.write_json(path, {"é": [1, None]})
    assert json.loads(path.read_text()) == {"é": [1, None]}
    assert "é" in path.read_text()
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(path, float("nan"))
    assert json.loads(path.read_text()) == {"é": [1, None]}


def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    define = IMPORT + "def write(root, n): atomic.write_bytes(root / 'x', bytes([min(n, 255)]) * 2_000_000)\n"
    for folder in kill_while_writing(define, tmp_path, trials=16):
        data = (folder / "x").read_bytes()
        assert len(data) == 2_000_000
        assert data == data[:1] * 2_000_000
        assert data[0] >= 1


def test_a_killed_writer_leaves_only_whole_folders(tmp_path):
    define = IMPORT + "def write(root, n): atomic.write_folder(root / f'f{n}', {'a': bytes(500_000), 'b': b'b'})\n"
    for folder in kill_while_writing(define, tmp_path, trials=16):
        written = list(folder.glob("f*"))
        assert len(written) >= 2
        assert all(is_complete(found) for found in written)


def test_a_killed_writer_that_replaces_a_folder_leaves_a_whole_one_or_none(tmp_path):
    define = IMPORT + "def write(root, n): atomic.write_folder(root / 'f', {'a': bytes(500_000), 'b': b'%d' % n})\n"
    for folder in kill_while_writing(define, tmp_path, trials=16):
        assert not (folder / "f" / MARKER).exists() or is_complete(folder / "f")


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_disk_that_is_full_keeps_the_old_file_and_leaves_no_rest(tmp_path, monkeypatch, failing_call):
    path = tmp_path / "x.txt"
    atomic.write_text(path, "old")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC, failing_call))
    with pytest.raises(
        StorageError, match=r"The disk is full while writing '.*x\.txt'.*free some space and run the same"
    ):
        atomic.write_text(path, "new")
    assert path.read_text() == {1: "old", 2: "new"}[failing_call]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing_call", [1, 2, 3, 4])
def test_a_disk_that_is_full_before_the_rename_leaves_no_folder_and_no_rest(tmp_path, monkeypatch, failing_call):
    monkeypatch.setattr(os, "fsync", failing(errno.EDQUOT, failing_call))
    with pytest.raises(StorageError, match="The disk is full"):
        atomic.write_folder(tmp_path / "f", FILES)
    assert list(tmp_path.iterdir()) == []


def test_the_kernels_own_full_disk_is_told_so(tmp_path):
    def write():
        with atomic.storage_errors(tmp_path):
            Path("/dev/full").write_bytes(b"0")

    with pytest.raises(StorageError, match="The disk is full"):
        write()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_without_permission_tells_what_to_do(tmp_path, monkeypatch, number):
    monkeypatch.setattr(tempfile, "mkstemp", failing(number))
    with pytest.raises(
        StorageError, match=r"cannot be written: .*\. Choose another folder with --out, or change its perm"
    ):
        atomic.write_text(tmp_path / "x", "")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: atomic.write_bytes(path / "x", b""),
        lambda path: atomic.write_folder(path / "f", FILES),
        atomic.ensure_writable,
    ],
    ids=["file", "folder", "proof"],
)
def test_a_file_that_stands_where_a_folder_should_be_tells_what_to_do(tmp_path, write):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file.*' cannot be written: .*\. Choose another folder with --out"):
        write(tmp_path / "file")


def test_what_is_no_trouble_of_the_disk_is_not_translated(tmp_path):
    with pytest.raises(KeyError), atomic.storage_errors(tmp_path):
        raise KeyError("x")


def test_a_folder_holds_its_files_and_a_marker_with_their_hashes(tmp_path):
    atomic.write_folder(tmp_path / "deep" / "f", FILES)
    assert is_complete(tmp_path / "deep" / "f")
    assert (tmp_path / "deep" / "f" / "b.bin").read_bytes() == FILES["b.bin"]
    assert atomic.read_folder(tmp_path / "deep" / "f") == FILES


def test_the_marker_is_written_after_every_file(tmp_path, monkeypatch):
    written = []
    original = atomic._write_flushed
    monkeypatch.setattr(atomic, "_write_flushed", lambda path, data: (written.append(path.name), original(path, data)))
    atomic.write_folder(tmp_path / "f", FILES)
    assert written == [*FILES, MARKER]


def test_a_folder_replaces_an_older_one_with_all_its_files(tmp_path):
    atomic.write_folder(tmp_path / "f", FILES)
    atomic.write_folder(tmp_path / "f", {"c": b"c"})
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [MARKER, "c"]


def test_of_two_processes_that_write_the_same_folder_at_once_the_second_leaves_the_firsts(tmp_path, monkeypatch):
    remove = atomic.remove_folder

    def overtaken(path):
        remove(path)
        monkeypatch.setattr(atomic, "remove_folder", remove)
        atomic.write_folder(path, FILES)

    monkeypatch.setattr(atomic, "remove_folder", overtaken)
    atomic.write_folder(tmp_path / "f", FILES)
    assert atomic.read_folder(tmp_path / "f") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_that_was_only_half_deleted_does_not_count(tmp_path, monkeypatch):
    atomic.write_folder(tmp_path / "f", FILES)
    monkeypatch.setattr(shutil, "rmtree", failing(errno.EIO))
    with pytest.raises(StorageError):
        atomic.remove_folder(tmp_path / "f")
    assert not (tmp_path / "f" / MARKER).exists()


def test_removing_what_is_not_there_is_no_error(tmp_path):
    atomic.remove_folder(tmp_path / "f")
    atomic.write_folder(tmp_path / "f", FILES)
    atomic.remove_folder(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda folder: (folder / "b.bin").write_bytes(b"\0" * 99), r"b\.bin was altered"),
        (lambda folder: (folder / "a.json").unlink(), "cannot be read"),
        (lambda folder: (folder / MARKER).write_text("{}"), r"must have the key `schema`"),
        (lambda folder: (folder / MARKER).write_text("{"), "cannot be read"),
    ],
    ids=["altered", "gone", "empty marker", "broken marker"],
)
def test_a_damaged_folder_is_not_read(tmp_path, spoil, what):
    atomic.write_folder(tmp_path / "f", FILES)
    spoil(tmp_path / "f")
    with pytest.raises(StorageError, match=rf"{what}.*[Dd]elete .* and run the same command again"):
        atomic.read_folder(tmp_path / "f")


def test_a_temporary_folder_is_gone_after_its_block():
    with atomic.temporary_folder() as folder:
        (folder / "x").touch()
    assert not folder.exists()


def test_proving_that_a_folder_can_be_written_makes_it_and_leaves_it_empty(tmp_path):
    atomic.ensure_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def filled(path, **files):
    with atomic.new_folder(path) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)


def test_a_folder_that_was_filled_reads_like_one_that_was_written(tmp_path):
    filled(tmp_path / "new", a=b"1", b=b"22")
    atomic.check_folder(tmp_path / "new")
    assert atomic.read_folder(tmp_path / "new") == {"a": b"1", "b": b"22"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_a_folder_that_was_not_filled_to_the_end_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic.new_folder(tmp_path / "new") as temporary:
        (temporary / "a").write_bytes(bytes(1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_whoever_fills_a_folder_second_keeps_the_first_ones(tmp_path):
    with atomic.new_folder(tmp_path / "new") as temporary:
        (temporary / "a").write_bytes(b"second")
        filled(tmp_path / "new", a=b"first")
    assert atomic.read_folder(tmp_path / "new") == {"a": b"first"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_a_finished_folder_is_kept_as_it_is_by_whoever_comes_second(tmp_path):
    """Others may be reading it."""
    atomic.keep_folder(tmp_path / "new", {"a": b"first"})
    inode = (tmp_path / "new" / "a").stat().st_ino
    atomic.keep_folder(tmp_path / "new", {"a": b"second"})
    assert atomic.read_folder(tmp_path / "new") == {"a": b"first"}
    assert (tmp_path / "new" / "a").stat().st_ino == inode
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_a_marker_of_a_newer_version_is_refused_where_a_folder_is_only_checked(tmp_path):
    atomic.keep_folder(tmp_path / "new", {"a": b"1"})
    marker = tmp_path / "new" / MARKER
    marker.write_text(marker.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(StorageError, match="must have `schema` 1, but has 99"):
        atomic.check_folder(tmp_path / "new")


def test_a_folder_without_a_marker_is_replaced(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "left").write_bytes(b"over")
    filled(tmp_path / "new", a=b"1")
    assert atomic.read_folder(tmp_path / "new") == {"a": b"1"}


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"2"), lambda file: file.unlink()])
def test_checking_finds_what_was_altered_or_is_gone(tmp_path, damage):
    filled(tmp_path / "new", a=b"1")
    damage(tmp_path / "new" / "a")
    with pytest.raises(StorageError, match=r"must hold what its DONE.json states, but .*a"):
        atomic.check_folder(tmp_path / "new")


def test_a_full_disk_is_told_while_a_folder_is_filled(tmp_path):
    with pytest.raises(StorageError, match="disk is full"), atomic.new_folder(tmp_path / "new"):
        raise OSError(errno.ENOSPC, "No space left on device")
