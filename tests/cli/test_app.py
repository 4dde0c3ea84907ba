import os
import pty
import subprocess

import pytest

from farsighted.cli import audit as audit_verb
from farsighted.core import errors
from oracles.cli import run_cli
from oracles.micro import COMMAND, environment, micro_config, prepare_working_folder, write_yaml

VERBS = ("audit", "plan", "validate", "status", "report", "select", "selectors")


@pytest.fixture
def config(tmp_path):
    return write_yaml(tmp_path / "micro.yaml", micro_config())


def raising(error):
    def raise_it(*_):
        raise error

    return raise_it


def test_help_lists_every_verb_with_what_it_does():
    said = run_cli("--help")
    assert said.code == 0
    assert all(verb in said.out for verb in VERBS)
    assert "Is my data selector short-sighted?" in said.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    said = run_cli(verb, "--help")
    assert said.code == 0
    assert "Usage: farsighted" in said.out


def test_no_verb_is_help():
    assert "Commands" in run_cli().all


def test_an_unknown_verb_is_a_usage_error():
    said = run_cli("adit")
    assert said.code == 2
    assert "No such command 'adit'" in said.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("ConfigError", 2),
        ("DataError", 2),
        ("ModelError", 2),
        ("SelectorError", 2),
        ("StorageError", 3),
        ("InterruptedRunError", 130),
    ],
)
def test_an_error_that_the_user_can_mend_is_one_line_and_a_code(config, monkeypatch, kind, code):
    sentence = "`budget` must be in (0, 1], but is 25 [sic]. Write 0.25 for 25 %. " + "Really. " * 40
    monkeypatch.setattr(audit_verb, "prepare", raising(getattr(errors, kind)(sentence)))
    said = run_cli("audit", config)
    assert said.code == code
    assert said.err.strip() == f"farsighted: {sentence}".strip()
    assert said.out == ""


def test_a_mistake_of_the_program_is_not_hidden(config, monkeypatch):
    monkeypatch.setattr(audit_verb, "prepare", raising(ZeroDivisionError("a mistake")))
    with pytest.raises(ZeroDivisionError):
        run_cli("audit", config)


def test_an_interrupt_before_any_cell_runs_ends_with_130_and_a_word(config, monkeypatch):
    monkeypatch.setattr(audit_verb, "prepare", raising(KeyboardInterrupt()))
    said = run_cli("audit", config)
    assert said.code == 130
    assert "Stopped." in said.err


def in_a_terminal(arguments, folder):
    """Run the command as in a terminal; returns its code and all that it wrote there."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, env=environment(folder), stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        written = b""
        # On Linux reading a terminal that everybody has left is an error, elsewhere the end.
        while chunk := _read(parent):
            written += chunk
    os.close(parent)
    return process.returncode, written.decode()


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_under_continuous_integration_a_mistake_is_a_plain_line_and_code_2(tmp_path):
    """A real process with a real terminal, which says CI."""
    prepare_working_folder(tmp_path)
    code, written = in_a_terminal(["audit", "micro.yaml", "budgets=25", "--out", "out"], tmp_path)
    assert code == 2
    assert written.startswith("farsighted: `budgets")
    assert "Write 25% for a share" in written
    assert "Traceback" not in written
    assert "\x1b" not in written
    assert not (tmp_path / "out").exists()
