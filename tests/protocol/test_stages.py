import pytest

from farsighted.protocol.stages import stage_input
from farsighted.testing.fake_learner import FakeLearner
from oracles.fake_world import fake_world


def given(world, label, index=1):
    desk = world.desk
    return stage_input(world.cell(label), index, FakeLearner(), desk.config, desk.inputs, world.known)


@pytest.fixture
def world(tmp_path):
    return fake_world(tmp_path, selectors=["random", "lhas"], references=["random_matched"], orders=["reversed"])


def test_all_selectors_get_the_same_rounds(world):
    assert given(world, "random").rounds == given(world, "lhas").rounds


def test_stages_are_counted_in_the_order_of_the_cell(world):
    assert [given(world, "random", index).pool.name for index in (1, 2)] == ["math", "general"]


def test_a_round_holds_the_batch_at_the_budgets_share(world):
    """24 candidates, 2 of which make a step at 25 %: three rounds of 8."""
    assert [round_.arrivals for round_ in given(world, "random").rounds] == [8, 8, 8]
    assert given(world, "random").steps == 3


def test_the_last_target_is_the_budget(world):
    stage = given(world, "random")
    assert stage.rounds[-1].target == pytest.approx(0.25 * stage.pool.response_tokens)


def test_compute_matched_random_may_train_on_what_scoring_costs_in_the_same_rounds(world):
    """With a backward pass that costs a forward pass, scoring buys 1 / (1 + 1) of the pool: 0.75 / 0.25 = 3 times."""
    plain, matched = given(world, "random").rounds, given(world, "random_matched").rounds
    assert [round_.arrivals for round_ in matched] == [round_.arrivals for round_ in plain]
    assert [round_.steps for round_ in matched] == [round_.steps for round_ in plain]
    assert [round_.target for round_ in matched] == pytest.approx([3 * round_.target for round_ in plain])


def test_a_number_of_examples_is_a_budget_in_examples(tmp_path):
    stage = given(fake_world(tmp_path, budgets=["6 examples"]), "random")
    assert stage.unit == "examples"
    assert stage.rounds[-1].target == pytest.approx(6)


def test_the_proxy_is_of_all_stages(world):
    assert len(given(world, "lhas").proxy) == 4
