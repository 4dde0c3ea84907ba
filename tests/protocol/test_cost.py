import dataclasses

import pytest

from farsighted.protocol.cost import Rates, estimate, measure_rates
from farsighted.testing.fake_learner import FakeLearner
from oracles.micro import desk_of, nano_config
from oracles.own_signals import KINDS

ZERO = Rates("random", "lora", "25%", 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def rates_of(desk, **changes):
    kinds = {(cell.label, cell.adaptation, str(cell.budget)) for cell in desk.cells.values()}
    return [dataclasses.replace(ZERO, label=kind[0], adaptation=kind[1], budget=kind[2], **changes) for kind in kinds]


def cost(desk, workers=1, **changes):
    return estimate(list(desk.cells.values()), rates_of(desk, **changes), desk.config, desk.inputs, workers)


@pytest.fixture
def desk(tmp_path):
    """Two cells: pools of 24 + 24, validation sets of 4 + 4, shifted sets of 3 + 3, a probe of 3 items at 3 points."""
    return desk_of(nano_config(tmp_path), tmp_path / "out")


def test_candidates_are_all_examples_of_all_pools_in_all_cells(desk):
    assert cost(desk).cells == 2
    assert cost(desk).candidates == 2 * 48


def test_tokens_are_the_budgets_share_of_the_pools(desk):
    whole = sum(stage.pool.response_tokens for stage in desk.inputs.stages.values())
    assert cost(desk).scored_tokens == 2 * whole
    assert cost(desk).trained_tokens == round(2 * 0.25 * whole)


def test_an_absolute_budget_is_spent_once_a_stage(tmp_path):
    desk = desk_of(nano_config(tmp_path, budgets=["30 tokens"]), tmp_path / "out")
    assert cost(desk).trained_tokens == 2 * 2 * 30


def test_compute_matched_random_trains_on_more_but_never_on_more_than_the_pool(desk):
    whole = sum(stage.pool.response_tokens for stage in desk.inputs.stages.values())
    assert cost(desk, budget_factor=3.0).trained_tokens == round(2 * 0.75 * whole)
    assert cost(desk, budget_factor=9.0).trained_tokens == 2 * whole


def test_time_for_candidates(desk):
    assert cost(desk, seconds_per_candidate=0.5).seconds == pytest.approx(2 * 48 * 0.5)


def test_time_for_items_counts_transitions_shifted_sets_both_probes_and_the_embedding(desk):
    """A cell: 8 items after each of 2 stages, 6 shifted ones, 2 probes of 3 points on 3 items. Once: 48 embeddings."""
    assert cost(desk, seconds_per_item=1.0).seconds == pytest.approx(2 * (16 + 6 + 18) + 48)


def test_time_for_the_neutral_probe(desk):
    """One probe a cell, of 2 steps on 2 examples."""
    assert cost(desk, seconds_per_trained=1.0).seconds == pytest.approx(2 * 4)


def test_disk_is_what_the_rows_of_both_tables_take(desk):
    assert cost(desk, bytes_per_candidate=10.0, bytes_per_item=1.0).disk_bytes == pytest.approx(2 * (480 + 40))


@pytest.mark.parametrize(("workers", "share"), [(1, 1), (2, 2), (8, 2)])
def test_workers_share_the_time_but_a_cell_is_not_parted(desk, workers, share):
    whole = cost(desk, seconds_per_candidate=0.5).seconds
    assert cost(desk, workers, seconds_per_candidate=0.5).seconds == pytest.approx(whole / share)


def test_each_kind_of_cell_has_its_own_rate(desk):
    rates = [
        dataclasses.replace(ZERO, label="random", seconds_per_candidate=1.0),
        dataclasses.replace(ZERO, label="diversity", seconds_per_candidate=2.0),
    ]
    found = estimate(list(desk.cells.values()), rates, desk.config, desk.inputs, 1)
    assert found.seconds == pytest.approx(48 * 1 + 48 * 2)


@pytest.mark.parametrize("granularity", ["batch", "round", "stage"])
@pytest.mark.parametrize("budget", ["25%", "100%", "40 tokens", "5 examples"])
def test_rates_are_measured_for_every_budget_and_granularity(tmp_path, granularity, budget):
    training = {"batch_size": 2, "granularity": granularity}
    desk = desk_of(nano_config(tmp_path, budgets=[budget], training=training), tmp_path / "out")
    rates = measure_rates(next(iter(desk.cells.values())), FakeLearner(), desk.config, desk.inputs)
    assert (rates.label, rates.adaptation, rates.budget) == ("random", "lora", budget)
    assert rates.seconds_per_candidate > 0
    assert rates.seconds_per_item > 0
    assert rates.seconds_per_trained > 0
    assert rates.bytes_per_candidate > 0
    assert rates.bytes_per_item > 0
    assert rates.budget_factor == pytest.approx(1)
    assert not desk.layout.root.exists()


def test_what_compute_matched_random_trains_on_is_measured(tmp_path):
    """0.25 + 1/2 instead of 0.25."""
    desk = desk_of(nano_config(tmp_path, references=["random_matched"]), tmp_path / "out")
    cell = next(cell for cell in desk.cells.values() if cell.reference)
    assert measure_rates(cell, FakeLearner(), desk.config, desk.inputs).budget_factor == pytest.approx(3)


def reading(tmp_path, *signals, **changes):
    rows = [{"name": "oracles.own_signals:Reads", "label": name, "signal": name} for name in signals]
    return desk_of(nano_config(tmp_path, selectors=["random", *rows], **changes), tmp_path / "out")


def whole_of(desk):
    return sum(stage.pool.response_tokens for stage in desk.inputs.stages.values())


def test_a_reference_pass_is_made_once_for_each_pool(tmp_path):
    desk = reading(tmp_path, "irreducible", seeds=[0, 1])
    assert cost(desk).scored_tokens == 4 * whole_of(desk) + whole_of(desk)
    assert cost(desk, once_seconds={"reference": 0.5}).seconds == pytest.approx(48 * 0.5)


def test_a_pass_of_the_start_model_is_made_once_for_each_seed_where_the_adaptation_changes_it(tmp_path):
    desk = reading(tmp_path, "irreducible", seeds=[0, 1], adaptations=["rslora"])
    assert cost(desk).scored_tokens == 4 * whole_of(desk) + 2 * whole_of(desk)


def test_a_warm_up_run_is_made_once_for_each_pool_and_seed(tmp_path):
    run = {"epochs": 4, "share": 0.5}
    desk = reading(tmp_path, "learned", seeds=[0, 1], budgets=["25%", "50%"], signals={"warm_up": run})
    found = cost(desk, once_seconds={"warm_up": 1.0})
    assert found.warm_up_tokens == pytest.approx(2 * 4 * 0.5 * whole_of(desk), abs=4)
    assert found.scored_tokens == 8 * whole_of(desk) + 2 * 4 * whole_of(desk)
    assert found.seconds == pytest.approx(2 * 48)


def test_a_signal_of_the_text_takes_time_and_no_tokens(tmp_path):
    desk = reading(tmp_path, "prompt_share")
    found = cost(desk, once_seconds={"text": 1.0})
    assert (found.scored_tokens, found.warm_up_tokens) == (2 * whole_of(desk), 0)
    assert found.seconds == pytest.approx(48)


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_of_each_kind_of_signal_is_measured(tmp_path, kind):
    desk = reading(tmp_path, KINDS[kind])
    (cell,) = [cell for cell in desk.cells.values() if cell.label != "random"]
    once = measure_rates(cell, FakeLearner(), desk.config, desk.inputs).once_seconds
    assert set(once) == {kind} - {"forward", "backward"}
    assert all(seconds > 0 for seconds in once.values())
    assert not desk.layout.root.exists()
