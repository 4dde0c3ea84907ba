import pytest

from farsighted.core import errors
from farsighted.core.errors import DivergedError, FarsightedError

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FarsightedError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_whatever_a_user_can_mend_ends_the_command_with_a_code_that_is_neither_success_nor_a_crash(kind):
    assert kind.exit_code not in {0, 1}


def test_exit_codes_tell_storage_and_interruption_from_the_rest():
    codes = {kind.__name__: kind.exit_code for kind in TREE}
    assert codes.pop("StorageError") == 3
    assert codes.pop("InterruptedRunError") == 130
    assert set(codes.values()) == {2}


def test_divergence_names_up_to_five_examples_and_counts_the_rest():
    five, seven = list("abcde"), list("abcdefg")
    assert str(DivergedError.naming("The loss is not finite", five)).startswith(
        "The loss is not finite for a, b, c, d, e."
    )
    error = DivergedError.naming("The loss is not finite", seven)
    assert "for a, b, c, d, e and 2 more. Lower `training.learning_rate`" in str(error)
    assert error.example_ids == tuple(seven)
