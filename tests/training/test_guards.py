import pytest

from farsighted.core.errors import FarsightedError
from farsighted.training.guards import BudgetViolationError, check_budget


@pytest.mark.parametrize("spent", [70.0, 100.0, 130.0])
def test_an_amount_within_one_example_of_its_target_passes(spent):
    check_budget(spent, target=100.0, longest=30.0)


@pytest.mark.parametrize("spent", [69.0, 131.0, float("nan")])
def test_an_amount_further_off_is_refused_as_a_defect(spent):
    with pytest.raises(
        BudgetViolationError, match=r"against a target of 100; the longest candidate has 30.*please report"
    ):
        check_budget(spent, target=100.0, longest=30.0)


def test_the_command_line_can_tell_it():
    assert issubclass(BudgetViolationError, FarsightedError)
