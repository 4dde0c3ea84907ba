import pytest

from farsighted.results.set_scores import measured
from farsighted.results.thresholds import crossings
from oracles.fabricated_cells import items_of, wanted


def test_tokens_to_threshold_are_relative_and_censored_where_it_is_missed():
    curves = {
        name: measured(items_of(wanted(rise=rise))).probes["neutral"]
        for name, rise in {"random": 40, "loss": 20, "lhas": 60}.items()
    }
    found = crossings(curves, "random")
    # From 20; the best end is 80, so the threshold is 50: reached at 150, never (200), and 100 of 200 tokens.
    assert {name: float(one.tokens) for name, one in found.items()} == {"random": 300, "loss": 400, "lhas": 200}
    assert {name: float(one.ratio) for name, one in found.items()} == pytest.approx(
        {"random": 1, "loss": 4 / 3, "lhas": 2 / 3}
    )
    assert {name: one.censored for name, one in found.items()} == {"random": 0, "loss": 2, "lhas": 0}
    assert {(one.reference_censored, one.stages) for one in found.values()} == {(0, 2)}
