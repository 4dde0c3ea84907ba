import json

import pytest

from benchmarks.__main__ import main, part_names
from benchmarks.parts import MEASURES
from benchmarks.results import ON_REQUEST, PARTS
from oracles.cli import run_cli


def test_parts_asked_for_are_measured_and_written(tmp_path):
    files = ("--json", tmp_path / "bench.json", "--markdown", tmp_path / "bench.md")
    said = run_cli("nuclear", "--quick", "--repeats", "2", "--threads", "1", "--device", "cpu", *files, entry=main)
    assert said.code == 0
    assert "nuclear norm ÷ SVD of the logits" in said.out
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["schema"], found["quick"], found["repeats"]) == (1, True, 2)
    assert found["machine"]["threads"] == "1"
    assert [part["name"] for part in found["parts"]] == ["nuclear"]
    assert "## nuclear" in (tmp_path / "bench.md").read_text()


def test_a_part_that_is_done_is_written_before_a_later_one_fails(tmp_path, monkeypatch):
    def fail(settings):
        raise MemoryError

    monkeypatch.setitem(MEASURES, "memory", fail)
    arguments = ("--quick", "--repeats", "1", "--device", "cpu", "--json", tmp_path / "bench.json")
    with pytest.raises(MemoryError):
        run_cli("nuclear", "memory", *arguments, entry=main)
    assert [part["name"] for part in json.loads((tmp_path / "bench.json").read_text())["parts"]] == ["nuclear"]


def test_parts_come_in_their_own_order_and_slow_ones_only_when_named():
    assert part_names(["sets", "signals"]) == ("signals", "sets")
    assert part_names([]) == tuple(name for name in PARTS if name not in ON_REQUEST)
    assert part_names(["audit"]) == ("audit",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("signal",), "Did you mean 'signals'?"),
        (("nuclear", "--repeats", "0"), "`--repeats` must be at least 1, but is 0"),
        (("nuclear", "--threads", "-1"), "`--threads` must be at least 0, but is -1"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments, words):
    said = run_cli(*arguments, entry=main)
    assert said.code == 2
    assert words in said.err
