"""The JSON files of an audit: the name and the shape of each."""

from typing import Final

from farsighted.store.layout import RESULTS_SCHEMA
from farsighted.store.record_text import RecordFile
from farsighted.store.records import CellRecord, CheckpointRecord, PlanRecord
from farsighted.store.result_records import ResultsRecord

PLAN: Final = RecordFile(
    "audit.json",
    PlanRecord,
    "name the folder that an audit wrote, or run the audit again, which keeps its finished cells.",
)
CELL: Final = RecordFile(
    "cell.json", CellRecord, "delete the folder that holds it and run the audit again, which runs only this cell anew."
)
# Written every few seconds: json indents in Python, and writes one line in C.
CHECKPOINT: Final = RecordFile(
    "meta.json", CheckpointRecord, "delete the folder that holds it, and the cell starts anew.", indent=None
)
RESULTS: Final = RecordFile(
    "results.json",
    ResultsRecord,
    "make it again with `farsighted report` and the folder that holds it.",
    schema=RESULTS_SCHEMA,
)
