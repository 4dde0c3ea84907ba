import numpy as np
import pytest

from farsighted.sets import products as module
from farsighted.sets.products import Products

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("held", [1, 40, 10_000])
def test_products_are_those_of_the_rows_whoever_is_asked_for(monkeypatch, held):
    monkeypatch.setattr(module, "HELD_CELLS", held)
    rows = RNG.normal(size=(30, 5)).astype(np.float32)
    products, likely = Products(rows), RNG.normal(size=30)
    for row in RNG.permutation(30):
        expected = [sum(float(a) * float(b) for a, b in zip(one, rows[row], strict=True)) for one in rows]
        np.testing.assert_allclose(products.of(int(row), likely), expected, rtol=1e-12, atol=1e-13)
        likely[row] = -np.inf


@pytest.mark.parametrize("held", [60, 10_000])
def test_equal_rows_have_equal_products_to_the_last_bit(monkeypatch, held):
    monkeypatch.setattr(module, "HELD_CELLS", held)
    distinct, again = RNG.normal(size=(20, 33)), RNG.integers(20, size=50)
    products = Products(distinct[again])
    for row in range(50):
        found = products.of(row, np.zeros(50))
        for number in set(again.tolist()):
            assert len(set(found[again == number].tolist())) == 1


def test_the_likely_ones_are_computed_together(monkeypatch):
    monkeypatch.setattr(module, "HELD_CELLS", 30 * 10)
    products, likely = Products(RNG.normal(size=(30, 4))), np.arange(30.0)
    computed = []
    inner = products._compute
    monkeypatch.setattr(products, "_compute", lambda row, scores: (computed.append(row), inner(row, scores)))
    for row in range(29, 19, -1):
        products.of(row, likely)
    assert computed == [29]
    products.of(3, likely)
    assert computed == [29, 3]
