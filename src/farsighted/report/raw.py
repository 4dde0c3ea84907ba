"""Every raw measure of every set, whichever of them is the set's score."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farsighted.core.measures import MEASURES
from farsighted.report.columns import Column
from farsighted.report.lookup import GroupKey, cells, seed_note, summaries, title
from farsighted.report.typesetting import Measured, Row, Table

_SHARES: Final = tuple(name for name, kind in MEASURES.items() if kind.is_share)


def raw_measures(scores: pa.Table, stages: int) -> list[dict[str, Any]]:
    """Return the mean of each raw measure on each validation and shifted set, for the base and the final model.

    `stages`: number of stages; the final model is the one after the last. Shares lie in 0..1 and are not corrected for
    chance; `nll` is in nats a token. A measure that applies to no item of a set is None, and so is one that the program
    that scored did not know; one that applies to some is the mean over those, and `choice_items` says how many have
    choices.
    """
    wanted = pc.is_in(scores["kind"], value_set=pa.array(["validation", "ood"]))
    ends = pc.is_in(scores["after_stage"], value_set=pa.array([0, stages], pa.int32()))
    measured = [key for key in (*MEASURES, "nll") if key in scores.column_names]
    asked: list[Any] = [([], "count_all"), ("choice_accuracy", "count"), *((key, "mean") for key in measured)]
    table = scores.filter(pc.and_(wanted, ends)).group_by(list(_KEYS), use_threads=False).aggregate(asked)
    return [
        {key: row[key] for key in _KEYS}
        | {"items": row["count_all"], "choice_items": row["choice_accuracy_count"]}
        | {key: row.get(f"{key}_mean") for key in (*MEASURES, "nll")}
        for row in table.sort_by([(key, "ascending") for key in _KEYS]).to_pylist()
    ]


_KEYS: Final = ("kind", "set", "after_stage")


def raw_table(results: Mapping[str, Any], group: GroupKey) -> Table:
    """Return the final model's raw measures on every set, in percent, mean ± sd over seeds; the base model on top."""
    finished = [cell for cell in cells(results, group) if cell["status"] == "done"]
    columns = _columns(finished)
    lines = [Row("(base model)", [_over(finished[:1], key, base=True) for key in columns], ranked=False)]
    for entry in summaries(results, group):
        own = [cell for cell in finished if cell["selector"] == entry["selector"]]
        lines.append(Row(entry["selector"], [_over(own, key) for key in columns], ranked=not entry["reference"]))
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
