import pytest

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.protocol.defaults import planned_steps, short_stages
from oracles.micro import desk_of, micro_config, nano_config


def prepared(tmp_path, **options):
    """24 candidates a stage and two a step: 3 steps at 25 %, 6 at 50 %, 12 at all of them."""
    return prepare(load_config(nano_config(tmp_path, **{"probe": {"items": 3}, **options})))


def test_steps_are_those_of_stages_that_are_probed_under_each_budget(tmp_path):
    found = prepared(tmp_path, budgets=["25%", "50%"])
    assert [tuple(planned) for planned in planned_steps(found.config, found.inputs)] == [
        ("math", "25%", 3),
        ("math", "50%", 6),
    ]


@pytest.mark.parametrize(("budgets", "steps"), [(["25%"], 1), (["50%"], 3), (["100%"], 6), (["50%", "25%"], 1)])
def test_the_probe_is_at_most_half_of_the_shortest_stage(tmp_path, budgets, steps):
    found = prepared(tmp_path, budgets=budgets)
    assert found.config.probe.steps == steps
    assert found.config.probe.points == min(4, steps)
    (note,) = [note for note in found.notes if "neutral probe" in note]
    assert f"trains {steps} optimizer step" in note
    assert "half of the shortest stage that is probed" in note


def test_a_long_stage_is_probed_for_eight_steps_and_nothing_need_be_said(tmp_path):
    suite = {"name": "skills", "train": 256, "validation": 6, "ood": 4, "proxy": 4}
    config = micro_config(suite=suite, probe={"items": 4}, selectors=["random"])
    found = prepare(load_config(config))
    assert (found.config.probe.steps, found.config.probe.points) == (8, 4)
    assert not [note for note in found.notes if "neutral probe" in note]
    (line,) = [line for line in found.training_lines if "neutral probe" in line]
    assert "trains 8 optimizer steps (the default: " in line


@pytest.mark.parametrize(("steps", "noted"), [(1, False), (2, True), (21, True)])
def test_a_stated_length_is_kept_and_noted_where_it_is_longer_than_half_a_stage(tmp_path, steps, noted):
    found = prepared(tmp_path, probe={"steps": steps, "points": 1, "items": 3})
    assert found.config.probe.steps == steps
    notes = [note for note in found.notes if "longer than half of the shortest stage: 'math' has 3" in note]
    assert bool(notes) is noted
    assert any(f"trains {steps} optimizer step" in line for line in found.training_lines)


def test_a_stage_without_a_successor_limits_nothing(tmp_path):
    config = nano_config(tmp_path, probe={"items": 3})
    found = prepare(load_config({**config, "stages": config["stages"][:1]}))
    assert found.config.probe.step_count == 8
    assert not [line for line in found.training_lines if "neutral probe" in line]


def test_the_length_that_nothing_states_is_the_one_that_states_it(tmp_path):
    by_default = prepared(tmp_path, budgets=["50%"])
    stated = prepared(tmp_path, budgets=["50%"], probe={"steps": 3, "points": 3, "items": 3})
    assert [cell.id for cell in by_default.cells] == [cell.id for cell in stated.cells]


def test_rates_by_default_are_noted_and_stated_ones_only_stand_in_the_plan(tmp_path):
    stated = prepared(tmp_path, adaptations=["lora"])
    assert not [note for note in stated.notes if "peak learning rate" in note]
    assert "lora trains at a peak learning rate of 0.005 (`training.learning_rate`)." in stated.training_lines
    by_default = prepared(tmp_path, adaptations=["lora", "prompt_tuning"], training={"batch_size": 2})
    assert [note.split(" (")[0] for note in by_default.notes if "peak learning rate" in note] == [
        "lora trains at a peak learning rate of 0.002",
        "prompt_tuning trains at a peak learning rate of 0.01",
    ]


def test_another_default_makes_another_cell(tmp_path):
    """The path of a model decides no cell, but the rate that follows from it does."""
    config = nano_config(tmp_path, training={"batch_size": 2}, probe={"steps": 1, "points": 1, "items": 3})
    slow = load_config({**config, "training": {"batch_size": 2, "learning_rate": 2e-4}})
    assert {cell.id for cell in prepare(load_config(config)).cells}.isdisjoint(c.id for c in prepare(slow).cells)


@pytest.mark.parametrize(
    ("orders", "noted"),
    [(["canonical"], ["math"]), (["reversed"], ["general"]), (["canonical", "reversed"], ["general", "math"])],
)
def test_stages_that_are_over_before_their_own_probe_are_noted_unless_they_are_always_first(tmp_path, orders, noted):
    """24 candidates, 2 of which make a step at 25 %: 3 steps."""
    probe = {"steps": 4, "points": 1, "items": 3}
    desk = desk_of(nano_config(tmp_path, orders=orders, probe=probe), tmp_path / "out")
    notes = short_stages(desk.config, desk.inputs)
    assert [note.split("'")[1] for note in notes] == noted
    assert all("has 3 optimizer steps under a budget of 25%, fewer than `probe.steps` (4)" in note for note in notes)


def test_stages_as_long_as_their_probe_are_not_noted(tmp_path):
    desk = desk_of(nano_config(tmp_path, probe={"steps": 3, "points": 1, "items": 3}), tmp_path / "out")
    assert short_stages(desk.config, desk.inputs) == ()
