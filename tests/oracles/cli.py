"""The command line, called in this process as a user calls it."""

import contextlib
import io
import sys
from dataclasses import dataclass

import pytest

from farsighted.cli import main


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def all(self):
        return self.out + self.err


def run_cli(*arguments, entry=main):
    """Run `farsighted` (or another entry) with these arguments; an exception that is no exit is the test's to see."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["farsighted", *map(str, arguments)])
        for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        patch.setenv("COLUMNS", "200")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                entry()
                code = 0
            except SystemExit as ending:
                code = ending.code or 0
    return Said(code, out.getvalue(), err.getvalue())
