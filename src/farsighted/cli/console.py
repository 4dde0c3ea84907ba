"""What text goes to: a colourful terminal, or plain lines elsewhere and under CI."""

import os
import sys
from typing import TextIO

from rich.console import Console


def output_console() -> Console:
    """Return the console for results."""
    return _console(sys.stdout)


def error_console() -> Console:
    """Return the console for messages and progress."""
    return _console(sys.stderr)


def under_ci() -> bool:
    """Whether this runs in continuous integration, where progress bars are noise."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _console(stream: TextIO) -> Console:
    # Labels and file names may hold brackets and colons ("pool.jsonl:100:"): they are text.
    plain = False if under_ci() else None
    return Console(file=stream, force_terminal=plain, markup=False, emoji=False, highlight=False)


def as_duration(seconds: float) -> str:
    """Return a time span in words.

    >>> as_duration(3671), as_duration(65), as_duration(4.2)
    ('1 h 1 min', '1 min 5 s', '4 s')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def as_size(number: float) -> str:
    """Return a number of bytes in words.

    >>> as_size(2_500_000), as_size(1200)
    ('2.5 MB', '1.2 kB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
