import numpy as np
import pytest

from farsighted.core.errors import ConfigError
from farsighted.core.values import Example, Tokens
from farsighted.selectors import LHAS
from farsighted.training.budget import Round
from farsighted.training.proxy import is_old, mean_head_sketch

PROXY = [Tokens(Example(str(number), "q", "a"), (number, 1, 2), 1) for number in range(3)]


class Sketching:
    """A learner whose head sketch of a text is its first id, and its square."""

    def signals(self, texts, needs):
        assert needs == {"head_sketch"}
        return {"head_sketch": np.array([[text.ids[0], text.ids[0] ** 2] for text in texts], dtype=np.float32)}


def test_the_sketch_of_the_proxy_is_the_mean_over_its_texts():
    found = mean_head_sketch(Sketching(), LHAS(), PROXY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [1.0, 5 / 3], rtol=1e-7)


def test_a_selector_that_looks_ahead_needs_a_proxy():
    with pytest.raises(ConfigError, match="looks at a proxy set, but there is none"):
        mean_head_sketch(Sketching(), LHAS(), [])


@pytest.mark.parametrize("refresh", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("steps", [(1,) * 9, (3, 1, 4, 1, 5), (0, 0, 2, 0, 2)])
def test_a_sketch_is_refreshed_once_the_steps_pass_a_multiple(steps, refresh):
    """Told step by step: it is old at a round if a multiple was reached in the round before."""
    rounds = [Round(None, 0.0, count) for count in steps]
    done, expected = 0, [True]
    for count in steps[:-1]:
        reached = [step for step in range(done + 1, done + count + 1) if step % refresh == 0]
        expected.append(bool(reached))
        done += count
    assert [is_old(rounds, number, refresh) for number in range(len(steps))] == expected
