"""Content hashes: what decides a result also names it."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from farsighted.core.values import Example


def of_json(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form (sorted keys, no spaces, NaN refused).

    >>> of_json({"a": 1, "b": 2}) == of_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of named arrays: names, dtypes, shapes and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def of_examples(examples: Iterable[Example]) -> str:
    """Return the SHA-256 of examples, all fields, in order."""
    digest = hashlib.sha256()
    for example in examples:
        *fields, conversation = dataclasses.astuple(example)
        # Left out where there is none: most examples have none, and keep the hash that they had before there were any.
        kept = (*fields, conversation) if conversation else fields
        digest.update(json.dumps(kept, ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def of_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over the names and contents of files, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
