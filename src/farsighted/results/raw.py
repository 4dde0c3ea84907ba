"""Every raw measure of every set, whichever of them is the set's score."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from farsighted.core.measures import MEASURES


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
