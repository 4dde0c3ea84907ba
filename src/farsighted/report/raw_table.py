"""Every raw measure of every set, whichever of them is the set's score."""

from typing import Literal

from farsighted.core.measures import MEASURES
from farsighted.report.typesetting import Measured, Table, TableRow
from farsighted.results.columns import Column
from farsighted.results.lookup import GroupKey, cells, seed_note, summaries, title
from farsighted.results.over_seeds import RawMeasure, Spread, raw_measures_shown, raw_percent
from farsighted.store.result_records import ResultsRecord


def raw_table(results: ResultsRecord, group: GroupKey) -> Table:
    """Return the final model's raw measures on every set, in percent, mean ± sd over seeds; the base model on top."""
    finished = [cell for cell in cells(results, group) if cell["status"] == "done"]
    shown = raw_measures_shown(finished)
    lines = [
        TableRow("(base model)", [_cell(raw_percent(finished[:1], one, base=True)) for one in shown], ranked=False)
    ]
    for entry in summaries(results, group):
        own = [cell for cell in finished if cell["selector"] == entry["selector"]]
        numbers = [_cell(raw_percent(own, one)) for one in shown]
        lines.append(TableRow(entry["selector"], numbers, ranked=not entry["reference"]))
    notes = [
        seed_note(summaries(results, group)),
        "In percent, not corrected for chance; choice accuracy over the items that have choices.",
    ]
    heads = [_head(one) for one in shown]
    return Table(f"Raw measures of the final model, {title(group)}.", heads, lines if finished else [], notes)


def _head(shown: RawMeasure) -> Column:
    better: Literal["higher", "lower"] = "lower" if shown.measure == "format_failure" else "higher"
    return Column(f"{shown.set}_{shown.measure}", f"{shown.set}: {MEASURES[shown.measure].label}", better, 1)


def _cell(found: Spread | None) -> Measured:
    return Measured(None) if found is None else Measured(found.mean, found.sd, n=found.n)
