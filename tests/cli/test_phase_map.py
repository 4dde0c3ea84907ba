import pytest

from farsighted.phase_map import map as atlas
from farsighted.phase_map import point as measuring
from farsighted.phase_map import survey as run
from oracles.cli import run_cli
from oracles.fabricated_records import records

INLINE = ("--workers", 1, "--executor", "inline")


@pytest.fixture
def free(monkeypatch):
    """Points that cost nothing, and one selector to draw."""
    made = {record["point"]: record for record in records(32)}
    asked = []

    def note(point, sizes, should_stop):
        asked.append((point.number, sizes.train))
        return made[point.number]

    monkeypatch.setattr(measuring, "run_point", note)
    monkeypatch.setattr(run, "world_hash", lambda point, sizes: "")
    monkeypatch.setattr(atlas, "JUDGED", ("loss",))
    return asked


def test_a_map_is_measured_written_and_gone_on_with(free, tmp_path):
    said = run_cli("phase-map", "--out", tmp_path, "--points", 20, *INLINE)
    assert said.code == 0, said.err
    assert said.out.strip() == str(tmp_path / "phase_map.md")
    assert {path.name for path in tmp_path.iterdir()} == {
        "records.jsonl",
        "map.json",
        "phase_map.md",
        "figures",
        "logs",
    }
    assert "[20/20] worlds" in said.err
    again = run_cli("phase-map", "--out", tmp_path, "--points", 22, *INLINE)
    assert "20 of 22 worlds were measured before." in again.err
    assert free == [(number, 640) for number in range(22)]
    assert "farsighted phase-map --out DIR --points 22 --seed 0" in (tmp_path / "phase_map.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--points", "3"), "`--points` must be at least 20 for a map to be fitted, but is 3"),
        (("--workers", "-1"), "`--workers` must be at least 0"),
        (("--seed", "-1"), "`--seed` must be at least 0"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments, words, tmp_path):
    said = run_cli("phase-map", "--out", tmp_path, *arguments)
    assert said.code == 2
    assert words in said.err
