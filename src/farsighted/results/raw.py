"""Every raw measure of every set, whichever of them is the set's score."""

from collections.abc import Mapping
from typing import Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from farsighted.core.measures import MEASURES
from farsighted.store.records import Numbers
from farsighted.store.result_records import RawRow


def raw_measures(scores: pa.Table, stages: int) -> list[RawRow]:
    """Return the mean of each raw measure on each validation and shifted set, for the base and the final model.

    `stages`: number of stages; the final model is the one after the last. Shares lie in 0..1 and are not corrected for
    chance; `nll` is in nats a token. A measure that applies to no item of a set is None, and so is one that the program
    that scored did not know; one that applies to some is the mean over those, and `choice_items` says how many have
    choices.
    """
    wanted = pc.is_in(scores["kind"], value_set=pa.array(["validation", "ood"]))
    ends = pc.is_in(scores["after_stage"], value_set=pa.array([0, stages], pa.int32()))
    means = [(key, "mean") for key in (*MEASURES, "nll") if key in scores.column_names]
    asked = [([], "count_all"), ("choice_accuracy", "count"), *means]
    table = scores.filter(pc.and_(wanted, ends)).group_by(list(_KEYS), use_threads=False).aggregate(asked)
    rows = table.sort_by([(key, "ascending") for key in _KEYS]).to_pylist()
    return [_row(row, {key: row.get(f"{key}_mean") for key in (*MEASURES, "nll")}) for row in rows]


def measure_of(row: RawRow, measure: str) -> float | None:
    """Return a raw measure of one set; None where it was not taken."""
    return cast("Mapping[str, float | None]", row).get(measure)


_KEYS: Final = ("kind", "set", "after_stage")


def _row(found: Mapping[str, str | int], values: Numbers) -> RawRow:
    """One row; no type can list the keys of its measures, which are a table that grows."""
    counts = {"items": found["count_all"], "choice_items": found["choice_accuracy_count"]}
    return cast("RawRow", {**{key: found[key] for key in _KEYS}, **counts, **values})
