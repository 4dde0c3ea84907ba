"""Every raw measure of every set, whichever of them is the set's score."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from farsighted.core.measures import MEASURES
from farsighted.report.typesetting import Measured, Table, TableRow
from farsighted.results.columns import Column
from farsighted.results.lookup import GroupKey, cells, seed_note, summaries, title

_SHARES: Final = tuple(name for name, kind in MEASURES.items() if kind.is_share)


def raw_table(results: Mapping[str, Any], group: GroupKey) -> Table:
    """Return the final model's raw measures on every set, in percent, mean ± sd over seeds; the base model on top."""
    finished = [cell for cell in cells(results, group) if cell["status"] == "done"]
    columns = _columns(finished)
    lines = [TableRow("(base model)", [_over(finished[:1], key, base=True) for key in columns], ranked=False)]
    for entry in summaries(results, group):
        own = [cell for cell in finished if cell["selector"] == entry["selector"]]
        lines.append(TableRow(entry["selector"], [_over(own, key) for key in columns], ranked=not entry["reference"]))
    heads = [_head(name, measure) for _, name, measure in columns]
    notes = [
        seed_note(summaries(results, group)),
        "In percent, not corrected for chance; choice accuracy over the items that have choices.",
    ]
    return Table(f"Raw measures of the final model, {title(group)}.", heads, lines if finished else [], notes)


def _head(name: str, measure: str) -> Column:
    better: Literal["higher", "lower"] = "lower" if measure == "format_failure" else "higher"
    return Column(f"{name}_{measure}", f"{name}: {MEASURES[measure].label}", better, 1)


Key = tuple[str, str, str]


def _columns(finished: Sequence[Mapping[str, Any]]) -> list[Key]:
    entries = finished[0]["measures"] if finished else []
    order = {"validation": 0, "ood": 1}
    keys = [
        (entry["kind"], entry["set"], measure)
        for entry in sorted(entries, key=lambda entry: order[entry["kind"]])
        if entry["after_stage"] > 0
        for measure in _SHARES
        if entry.get(measure) is not None
    ]
    return list(dict.fromkeys(keys))


def _over(own: Sequence[Mapping[str, Any]], key: Key, base: bool = False) -> Measured:
    kind, name, measure = key
    values = [
        100 * entry[measure]
        for cell in own
        for entry in cell["measures"]
        if (entry["kind"], entry["set"]) == (kind, name) and (entry["after_stage"] == 0) == base
    ]
    if not values:
        return Measured(None)
    return Measured(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None, n=len(values))
