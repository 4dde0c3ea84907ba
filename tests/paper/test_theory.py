import pytest

from farsighted.metrics import theory as metrics_theory
from farsighted.paper.theory import theory_finding


def test_the_theory_holds_for_small_steps_and_broad_futures():
    found = theory_finding(pairs=2000)
    assert found.outcome == "holds"
    assert [part.outcome for part in found.parts] == ["holds"] * 3


def test_an_expansion_that_is_no_identity_fails(monkeypatch):
    right = metrics_theory.expand

    def wrong(*args):
        found = right(*args)
        return type(found)(found.before, found.linear, 1.01 * found.quadratic, found.after)

    monkeypatch.setattr(metrics_theory, "expand", wrong)
    assert theory_finding(pairs=500).outcome == "fails"


def test_the_same_problems_are_drawn_every_time():
    assert theory_finding(pairs=300) == theory_finding(pairs=300)


@pytest.mark.parametrize("pairs", [500])
def test_every_number_has_an_interval_around_it(pairs):
    for part in theory_finding(pairs).parts:
        assert part.low <= part.effect <= part.high
