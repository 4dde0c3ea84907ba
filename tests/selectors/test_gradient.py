import numpy as np
import pytest

from farsighted.selectors import Gradient
from oracles import selector_loops as loops

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("score", "signal", "need"),
    [
        ("norm", "full", "grad_norm"),
        ("norm", "head", "head_grad_norm"),
        ("similarity", "full", "grad_sketch"),
        ("similarity", "head", "head_sketch"),
    ],
)
def test_the_fields_decide_which_one_signal_is_read(score, signal, need):
    assert Gradient(score, signal).needs == {need}


def test_the_largest_norm_comes_first():
    signals = loops.signals_of(grad_norm=[1.0, 3.0, 2.0])
    assert Gradient().rank(signals, {}, RNG).order.tolist() == [1, 2, 0]


def test_similarity_is_the_cosine_with_the_mean_sketch():
    sketch = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    ranking = Gradient("similarity", "head").rank(loops.signals_of(head_sketch=sketch), {}, RNG)
    mean = loops.mean_of(sketch)
    np.testing.assert_allclose(ranking.score, [loops.cosine(row, mean) for row in sketch], rtol=1e-9)


def test_a_vanishing_gradient_is_similar_to_nothing():
    signals = loops.signals_of(grad_sketch=[[0.0, 0.0], [1.0, 0.0]])
    assert Gradient("similarity").rank(signals, {}, RNG).score.tolist() == [0.0, 1.0]
