import json

import pytest

from farsighted.core.errors import StorageError
from farsighted.paper.page import write_page


def test_all_gives_every_table_figure_and_claim(reproduced, tmp_path):
    page = write_page("all", reproduced, tmp_path)
    text = page.read_text()
    for heading in ("Table 1", "Table 2", "Table 3", "Figure 2", "Figure 3", "Figure 4", "Claims"):
        assert f"## {heading}" in text
    claims = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["number"] for claim in claims] == list(range(1, 12))
    assert {claim["outcome"] for claim in claims} <= {"holds", "fails", "undecided"}
    for name in ("table1", "table2", "table3"):
        assert all((tmp_path / f"{name}_beside_paper.{suffix}").stat().st_size for suffix in ("md", "csv", "tex"))
    figures = sorted(path.name for path in tmp_path.glob("figure*.svg"))
    assert [name[:7] for name in figures] == ["figure2", "figure3", "figure4"]
    assert all(f"]({name})" in text for name in figures)


def test_the_gap_column_never_stands_without_its_note(reproduced, tmp_path):
    text = write_page("table1", reproduced, tmp_path).read_text()
    assert "does not follow from its Eq. 3" in text


@pytest.mark.parametrize(
    ("target", "there", "absent"),
    [
        ("table2", "## Table 2", "## Table 1"),
        ("figure4", "## Figure 4", "## Figure 2"),
        ("claims", "## Claims", "## Table"),
    ],
)
def test_a_single_target_gives_itself_alone(target, there, absent, reproduced, tmp_path):
    text = write_page(target, reproduced, tmp_path).read_text()
    assert there in text
    assert absent not in text


def test_a_folder_without_an_audit_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"audit\.json"):
        write_page("all", tmp_path, tmp_path)
