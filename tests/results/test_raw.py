import math

import pyarrow as pa

from farsighted.core.measures import MEASURES
from farsighted.results.raw import raw_measures


def scores(*rows):
    """Scored items: kind, set, stages finished before, NLL, exact match, and choice accuracy."""
    names = ("kind", "set", "after_stage", "nll", "exact_match", "choice_accuracy")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    types = {"after_stage": pa.int32(), "exact_match": pa.float64(), "choice_accuracy": pa.float64()}
    return pa.table({name: pa.array(column, types.get(name)) for name, column in columns.items()})


def test_means_are_of_the_base_and_the_final_model_alone():
    table = scores(
        ("validation", "math", 0, 2.0, 0.0, None),
        ("validation", "math", 0, 4.0, 1.0, None),
        ("validation", "math", 1, 9.0, 1.0, None),
        ("validation", "math", 2, 1.0, 1.0, None),
        ("probe_neutral", "math", 2, 7.0, 0.0, None),
    )
    base, final = raw_measures(table, 2)
    assert [(row["after_stage"], row["items"], row["nll"], row["exact_match"]) for row in (base, final)] == [
        (0, 2, 3.0, 0.5),
        (2, 1, 1.0, 1.0),
    ]


def test_a_measure_counts_the_items_that_it_applies_to():
    table = scores(
        ("ood", "far", 1, 1.0, None, 1.0), ("ood", "far", 1, 1.0, None, None), ("ood", "far", 1, 1.0, None, 0.0)
    )
    (row,) = raw_measures(table, 1)
    assert (row["items"], row["choice_items"], row["choice_accuracy"]) == (3, 2, 0.5)
    assert row["exact_match"] is None


def test_a_measure_that_an_older_program_did_not_know_is_none():
    (row,) = raw_measures(scores(("ood", "far", 1, math.log(2), None, None)), 1)
    unknown = set(MEASURES) - {"exact_match", "choice_accuracy"}
    assert unknown
    assert all(row[name] is None for name in unknown)
