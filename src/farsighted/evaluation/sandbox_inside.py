"""The inside of the sandbox, run as a script by a bare interpreter in fresh namespaces; see `sandbox`.

The first process shuts itself in, forks the process that runs the program, and only then reads the tests and the
secret. Values travel as JSON: plain ones whole, Python's own types by name, all others as the number of a handle that
only the program's process can look into.
"""

import builtins
import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_RDONLY, _MS_REMOUNT = 2, 4, 4096, 16384, 1, 32
_MNT_DETACH, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 2, -100, 0x8000, 1
_MOUNT_SETATTR = 442
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
_LONGEST_REPLY: Final = 64 * 2**20
_NULL: Final = "/dev/null"

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    "x86_64": (
        *(56, 57, 58, 435, 272, 308, 165, 166),  # clone, fork, vfork, clone3; unshare, setns, mount, umount2
        *(101, 310, 311, 438),  # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd
        *(29, 30, 64, 68, 240, 319, 447),  # shmget, shmat, semget, msgget, mq_open, memfd_create, memfd_secret
        *(248, 249, 250, 298, 321, 323, 425),  # add_key, request_key, keyctl; perf, bpf, userfaultfd, io_uring
    ),
    # The same, without fork and vfork.
    "aarch64": (
        *(220, 435, 97, 268, 40, 39, 117, 270, 271, 438, 194, 196, 190, 186, 180, 279, 447),
        *(217, 218, 219, 241, 280, 282, 425),
    ),
}
"""System calls that end in "not permitted": new processes and threads, other processes' memory, other namespaces,
memory that belongs to no process and so counts for none, the keys of whoever started the sandbox, and doors into the
kernel; io_uring carries out calls that a filter cannot see."""
_SOCKET = {"x86_64": 41, "aarch64": 198}
_FAMILIES: Final = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
"""Sockets that end at the border of the network namespace; others (AF_VSOCK) lead past it."""


def main() -> None:
    """Shut this process in, fork the program's process, run the tests against it and tell the verdict."""
    verdict = int(sys.argv[1])
    before = _read_message()
    # Whoever started this may be gone by then.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.setitimer(signal.ITIMER_REAL, before["limits"]["seconds"] + 1)
    _shut_in(before["prefix"], before["limits"])
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        os.close(verdict)
        _serve(theirs, before)
    theirs.close()
    after = _read_message()
    try:
        _test(ours, after)
    except BaseException as error:  # SystemExit from a test is a failure like any other.
        told = f"{type(error).__name__}: {error}"[:500]
    else:
        told = after["secret"]
    os.write(verdict, told.encode(errors="replace"))
    os._exit(0)


def _read_message() -> dict[str, Any]:
    message: dict[str, Any] = json.loads(_read(int.from_bytes(_read(8), "big")))
    return message


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(0, count - len(parts))
        if not part:
            os._exit(1)
        parts += part
    return bytes(parts)


def _shut_in(prefix: str, limits: dict[str, int]) -> None:
    """Leave nothing in sight but the interpreter and an empty folder, and give up every privilege."""
    root = "/tmp"
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for path in dict.fromkeys(("/usr", "/lib", "/lib64", prefix, _NULL)):
        _show(path, root + path)
    os.makedirs(f"{root}/scratch")
    room = f"size={limits['file_megabytes']}m,nr_inodes=1024,mode=777"
    _mount("tmpfs", f"{root}/scratch", "tmpfs", _MS_NOSUID | _MS_NODEV, room)
    os.symlink("scratch", f"{root}/tmp")
    os.chdir(root)
    _must("pivot_root", _LIBC.syscall(_PIVOT_ROOT[platform.machine()], b".", b"."))
    _must("umount2", _LIBC.umount2(b".", _MNT_DETACH))
    os.chdir("/")
    _mount("none", "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV, None)
    os.chdir("/scratch")
    for capability in range(64):
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _must("no_new_privs", _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _must("capset", _LIBC.capset(ctypes.byref(header), ctypes.byref(nothing)))
    # Nobody reads or writes the memory of a process that is not dumpable, whatever the two have in common.
    _must("dumpable", _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    for kind, most in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_megabytes"] << 20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits["memory_megabytes"] << 20),
    ):
        resource.setrlimit(kind, (most, most))


def _show(path: str, target: str) -> None:
    """Make a folder or a device visible under the new root, read-only with all that is mounted inside."""
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if not os.path.exists(path) or os.path.exists(target):
        return
    os.makedirs(target if os.path.isdir(path) else os.path.dirname(target))
    if not os.path.isdir(path):
        os.close(os.open(target, os.O_CREAT))
    _mount(path, target, None, _MS_BIND | _MS_REC, None)
    read_only = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    done = _LIBC.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, ctypes.byref(read_only), ctypes.sizeof(read_only)
    )
    _must(f"read-only {path}", done)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, options)]
    done = _LIBC.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _must(f"mount {target}", done)


def _must(what: str, done: int) -> None:
    if done != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _refuse_calls() -> None:
    """Install a filter of system calls."""
    machine = platform.machine()
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06
    allow, kill = 0x7FFF0000, 0x80000000
    not_permitted, no_such_family = 0x00050000 | 1, 0x00050000 | 97
    rules: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4),
        (equal, 1, 0, _AUDIT_ARCH[machine]),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        # x86-64 has a second table of calls above this number.
        (above, 0, 1, 0x40000000),
        (give, 0, 0, not_permitted),
    ]
    for number in _REFUSED[machine]:
        rules += [(equal, 0, 1, number), (give, 0, 0, not_permitted)]
    rules += [(equal, 1, 0, _SOCKET[machine]), (give, 0, 0, allow), (load, 0, 0, 16)]
    for family in _FAMILIES:
        rules += [(equal, 0, 1, family), (give, 0, 0, allow)]
    rules.append((give, 0, 0, no_such_family))
    packed = b"".join(
        code.to_bytes(2, sys.byteorder) + bytes((yes, no)) + value.to_bytes(4, sys.byteorder)
        for code, yes, no, value in rules
    )
    text = ctypes.create_string_buffer(packed)

    class _Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("rules", ctypes.c_void_p))

    program = _Filter(len(rules), ctypes.addressof(text))
    _must("seccomp", _LIBC.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))


# The program's process.


def _serve(line: socket.socket, before: dict[str, str]) -> NoReturn:
    """Run the program, then answer what the tests ask, until the line is closed."""
    read_end, write_end = os.pipe()
    os.close(write_end)
    os.dup2(read_end, 0)
    # What was inherited leads outside: the null device could be made unusable, and whoever reads errors be flooded.
    for number in (1, 2):
        os.dup2(os.open(_NULL, os.O_WRONLY), number)
    _refuse_calls()
    names: dict[str, object] = {"__name__": "__program__"}
    handles: list[object] = []
    stream = line.makefile("rw")
    try:
        exec(compile(before["source"], "program", "exec"), names)
        exec(compile(before["setup"], "setup", "exec"), names)
        greeting: dict[str, object] = {"ok": None}
    except BaseException as error:  # The program may raise anything, and is told on for it.
        greeting = _failure(error)
    stream.write(json.dumps(greeting) + "\n")
    stream.flush()
    for request in stream:
        try:
            answer: dict[str, object] = {"ok": _encode(_answer(json.loads(request), names, handles), handles)}
        except BaseException as error:  # As above: SystemExit too is an answer.
            answer = _failure(error)
        stream.write(json.dumps(answer) + "\n")
        stream.flush()
    os._exit(0)


def _failure(error: BaseException) -> dict[str, object]:
    return {"error": [type(error).__name__, str(error)[:300]]}


def _answer(request: dict[str, Any], names: dict[str, object], handles: list[object]) -> object:
    arguments = [_decode(part, handles.__getitem__) for part in request["arguments"]]
    if request["operation"] == "name":
        if arguments[0] not in names:
            raise NameError(f"name '{arguments[0]}' is not defined")
        return names[arguments[0]]
    operations: dict[str, Callable[..., object]] = {
        "call": lambda target, given, named: target(*given, **named),
        "attribute": getattr,
        "item": lambda target, key: target[key],
        "list": list,
        "next": next,
        "length": len,
        "truth": bool,
        "contains": lambda target, part: part in target,
    }
    return operations[request["operation"]](*arguments)


# Values on the line.


_Plain = tuple[type, str, Callable[[Any], object]]
_PLAIN: Final[tuple[_Plain, ...]] = (
    (bool, "b", bool),
    (int, "i", hex),
    (float, "f", float.hex),
    (str, "s", lambda text: [ord(sign) for sign in text] if _has_surrogate(text) else str(text)),
    (bytes, "y", lambda data: data.hex()),
    (complex, "c", lambda number: [number.real.hex(), number.imag.hex()]),
    (type(None), "n", lambda _: None),
)
_OWN_TYPES: Final = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type) and name[0] != "_"}
_SEVERAL: Final[dict[str, type]] = {"l": list, "t": tuple, "z": frozenset, "e": set, "d": dict}


def _encode(value: object, handles: list[object]) -> list[object]:
    for kind, name, text in _PLAIN:
        if isinstance(value, kind):
            return [name, text(value)]
    if isinstance(value, (list, tuple, frozenset, set, dict)):
        name = next(name for name, kind in _SEVERAL.items() if isinstance(value, kind))
        return [name, [_encode(part, handles) for part in (value.items() if isinstance(value, dict) else value)]]
    if isinstance(value, _Remote):
        return ["h", value.number]
    if isinstance(value, type) and value in _OWN_TYPES.values():
        return ["p", value.__name__]
    handles.append(value)
    return ["h", len(handles) - 1]


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(sign) <= 0xDFFF for sign in text)


def _decode(coded: Any, handle: Callable[[int], object]) -> object:
    name, content = coded
    if name in _SEVERAL:
        return _SEVERAL[name](_decode(part, handle) for part in content)
    plain: dict[str, Callable[[Any], object]] = {
        "n": lambda _: None,
        "b": bool,
        "i": lambda text: int(text, 16),
        "f": float.fromhex,
        "s": lambda text: text if isinstance(text, str) else "".join(map(chr, text)),
        "y": bytes.fromhex,
        "c": lambda parts: complex(float.fromhex(parts[0]), float.fromhex(parts[1])),
        "h": handle,
        "p": _OWN_TYPES.__getitem__,
    }
    return plain[name](content)


# The tests' process.


class _Remote:
    """Something in the program's process that is no plain value."""

    def __init__(self, ask: Callable[..., Any], number: int) -> None:
        self._ask, self.number = ask, number

    def __call__(self, *given: object, **named: object) -> object:
        return self._ask("call", self, list(given), named)

    def __getattr__(self, name: str) -> object:
        return self._ask("attribute", self, name)

    def __getitem__(self, key: object) -> object:
        return self._ask("item", self, key)

    def __iter__(self) -> Iterator[object]:
        return iter(self._ask("list", self))

    def __next__(self) -> object:
        return self._ask("next", self)

    def __len__(self) -> int:
        return int(self._ask("length", self))

    def __bool__(self) -> bool:
        return bool(self._ask("truth", self))

    def __contains__(self, part: object) -> bool:
        return bool(self._ask("contains", self, part))


class _Names(dict[str, object]):
    """The tests' namespace: their own names, then Python's, then the program's."""

    def __init__(self, ask: Callable[..., Any], entry_point: str) -> None:
        # Tests of puzzles annotate with the names of `typing`.
        super().__init__({"__name__": "__tests__"})
        exec("from typing import *", self)
        self._ask, self._entry_point = ask, entry_point

    def __missing__(self, name: str) -> object:
        if name != self._entry_point:
            if hasattr(builtins, name):
                return getattr(builtins, name)
            if name in sys.stdlib_module_names:
                # A program must not choose what `math.isclose` says.
                return __import__(name)
        return self._ask("name", name)


def _test(line: socket.socket, after: dict[str, Any]) -> None:
    stream = line.makefile("rw")

    def answer(may_end: bool = False) -> object:
        reply = stream.readline(_LONGEST_REPLY)
        if not reply.endswith("\n"):
            raise RuntimeError("the program ended, or answered too much")
        found = json.loads(reply)
        if "error" in found:
            name, text = found["error"]
            # Inside a test's `map` it would end the loop as if everything had been seen.
            _raise("RuntimeError" if name == "StopIteration" and not may_end else name, text)
        return found["ok"]

    def ask(operation: str, *arguments: object) -> object:
        coded = [_encode(argument, _NoHandles()) for argument in arguments]
        stream.write(json.dumps({"operation": operation, "arguments": coded}) + "\n")
        stream.flush()
        return _decode(answer(operation == "next"), lambda number: _Remote(ask, int(number)))

    answer()
    names = _Names(ask, after["entry_point"])
    for test in after["tests"]:
        exec(compile(test, "tests", "exec"), names)


class _NoHandles(list[object]):
    """What the tests hand over must be plain."""

    def append(self, value: object) -> None:
        raise TypeError(f"a test hands over a {type(value).__name__}, which cannot be sent to the program")


def _raise(name: str, text: str) -> NoReturn:
    kind = getattr(builtins, name, None)
    error: BaseException = RuntimeError(f"{name}: {text}")
    if isinstance(kind, type) and issubclass(kind, Exception):
        # Some exceptions want more than a text.
        with contextlib.suppress(TypeError):
            error = kind(text)
    raise error


if __name__ == "__main__":
    main()
