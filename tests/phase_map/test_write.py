from farsighted.phase_map import map as atlas
from farsighted.phase_map.map import load_map
from farsighted.phase_map.records import write_records
from farsighted.phase_map.write import write_map
from oracles.fabricated_records import DESIGN, records


def test_map_figures_and_page_stand_beside_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(atlas, "JUDGED", ("lhas",))
    write_records(tmp_path / "records.jsonl", DESIGN, records(24))
    page = write_map(tmp_path / "records.jsonl", "the command")
    assert page == tmp_path / "phase_map.md"
    assert "the command" in page.read_text()
    assert load_map(tmp_path / "map.json").points == 24
    linked = [line.split("](")[1].rstrip(")") for line in page.read_text().splitlines() if line.startswith("![")]
    assert linked
    assert all((tmp_path / name).is_file() for name in linked)
