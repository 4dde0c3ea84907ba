from typing import get_args

from farsighted.core.measures import GENERATED, MEASURES, Measure, Reads, measures_of


def test_every_measure_that_can_be_a_score_can_be_asked_for():
    assert set(get_args(Measure)) == {name for name, kind in MEASURES.items() if kind.is_score}


def test_what_is_read_by_no_measure_is_not_named():
    assert set(get_args(Reads)) == {kind.reads for kind in MEASURES.values()}
    assert all(measures_of(reads) for reads in GENERATED)
