import pytest

from oracles.cli import run_cli
from oracles.small_reproduction import SMALL


def test_a_table_is_run_and_its_page_named_last(tmp_path):
    out = tmp_path / "out"
    said = run_cli("reproduce", "table1", *SMALL, "seeds=[0]", "--out", out, "--workers", "1")
    assert said.code == 0, said.err
    assert said.out.strip().endswith("reproduction.md")
    assert "Table 1" in (out / "reproduction" / "reproduction.md").read_text()


def test_an_audits_folder_is_a_world_and_is_only_read(micro, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in micro.out.rglob("*")}
    said = run_cli("reproduce", "claims", "--world", micro.out, "--out", tmp_path)
    assert said.code == 0, said.err
    assert "## Claims" in (tmp_path / "reproduction.md").read_text()
    assert {path: path.stat().st_mtime_ns for path in micro.out.rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel1"], "Did you mean 'table1'?"),
        (["table1", "--world", "quadratik"], "Did you mean 'quadratic'?"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_nearest_name(arguments, message):
    said = run_cli("reproduce", *arguments)
    assert said.code not in (0, 1)
    assert message in said.err
