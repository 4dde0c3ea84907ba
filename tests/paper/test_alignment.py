import itertools

import pytest

from farsighted.paper.alignment import alignment_by_order
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from farsighted.worlds.quadratic import own_weights


def test_alignment_of_an_order_is_that_of_its_pools(reproduced):
    plan = read_plan(Layout(reproduced))
    found = alignment_by_order(reproduced, plan["cells"])
    assert set(found) == {cell["order"] for cell in plan["cells"]}
    assert all(0 <= value <= 1 for value in found.values())


def test_an_order_and_its_reverse_are_equally_aligned(reproduced):
    found = alignment_by_order(reproduced, read_plan(Layout(reproduced))["cells"])
    assert found["canonical"] == pytest.approx(found["reversed"])


def test_an_order_without_a_finished_cell_has_no_alignment(tmp_path):
    assert alignment_by_order(tmp_path, [{"id": "x", "order": "canonical"}]) == {}


def test_stages_of_the_world_that_share_capabilities_stand_apart_in_canonical_order():
    from farsighted.config.quadratic import QuadraticConfig

    config = QuadraticConfig()
    weights = [own_weights(config, index) for index in range(len(config.stages))]
    assert all(not (a * b).any() for a, b in itertools.pairwise(weights))
    assert (weights[0] * weights[3]).any()
