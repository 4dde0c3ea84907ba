from farsighted.learners.base import ChangeInner


def test_inner_products_over_two_sets_of_weights_add_up():
    assert ChangeInner(1.0, 2.0, 3.0).plus(ChangeInner(-4.0, 5.0, 6.0)) == ChangeInner(-3.0, 7.0, 9.0)
