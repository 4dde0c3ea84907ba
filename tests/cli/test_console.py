import io
import sys

import pytest

from farsighted.cli.console import as_duration, as_size, error_console, output_console, under_ci


class Terminal(io.StringIO):
    """Says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def no_preference(monkeypatch):
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("value", "wanted"), [("true", True), ("1", True), ("", False), ("0", False), ("False", False)]
)
def test_ci_is_what_the_environment_says(monkeypatch, value, wanted):
    monkeypatch.setenv("CI", value)
    assert under_ci() is wanted


def test_no_word_is_no_ci():
    assert not under_ci()


@pytest.mark.parametrize(("console", "stream"), [(output_console, "stdout"), (error_console, "stderr")])
def test_a_terminal_gets_colour_and_continuous_integration_plain_lines(monkeypatch, console, stream):
    written = []
    for value in ("", "1"):
        monkeypatch.setenv("CI", value)
        monkeypatch.setattr(sys, stream, Terminal())
        console().print("wrong", style="red")
        written.append(getattr(sys, stream).getvalue())
    assert "\x1b[31m" in written[0]
    assert written[1] == "wrong\n"


@pytest.mark.parametrize("console", [output_console, error_console])
def test_a_pipe_gets_plain_lines(monkeypatch, console):
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.StringIO())
    console().print("wrong", style="red")
    assert "\x1b" not in sys.stdout.getvalue() + sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.6, "1 h 0 min"), (86400 + 120, "24 h 2 min")],
)
def test_durations_in_words(seconds, words):
    assert as_duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e6, "1.5 MB"), (2e9, "2.0 GB")]
)
def test_sizes_in_words(number, words):
    assert as_size(number) == words


def test_brackets_and_colons_are_text(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    output_console().print("pool.jsonl:100: [bold]")
    assert sys.stdout.getvalue() == "pool.jsonl:100: [bold]\n"
