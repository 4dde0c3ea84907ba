"""From records to what people read: map.json, figures, phase_map.md. No model and no torch."""

from pathlib import Path

from farsighted.phase_map.map import map_json, map_of_records
from farsighted.phase_map.page import page
from farsighted.phase_map.records import read_records
from farsighted.store import atomic


def write_map(records_file: Path, command: str) -> Path:
    """Write map.json, figures and phase_map.md beside a file of records; returns the page.

    Args:
        records_file: The file, with the records of at least 20 points.
        command: What made the records; the page shows it.

    Raises:
        StorageError: The file cannot be read, or nothing can be written.
        DataError: There are less than 20 points.
    """
    # Matplotlib takes half a second to import, and every command and worker would pay for it.
    from farsighted.phase_map.figures import figures

    head, records = read_records(records_file)
    found = map_of_records(records.values(), head["design"])
    out = records_file.parent
    for name, data in figures(found).items():
        atomic.write_bytes(out / name, data)
    atomic.write_text(out / "map.json", map_json(found, command))
    ordered = [records[number] for number in sorted(records)]
    atomic.write_text(out / "phase_map.md", page(found, ordered, command))
    return out / "phase_map.md"
