from types import SimpleNamespace

import pytest

from farsighted.config.load import load_config
from farsighted.core.values import Example, Pool, Tokens
from farsighted.protocol.fairness import UnfairError, check_fair, overshoot_notes


def meta(selector, tokens=(100, 100), **changes):
    stages = [
        {"stage": name, "trained_tokens": count, "longest_response": 10}
        for name, count in zip("ab", tokens, strict=True)
    ]
    return {
        "id": f"id-{selector}",
        "selector": selector,
        "seed": 0,
        "order": "canonical",
        "budget": "25%",
        "adaptation": "lora",
        "status": "done",
        "reference": False,
        "adapter_hash": "A",
        "pool_hashes": {"a": "P"},
        "per_stage": stages,
    } | changes


def test_cells_that_differ_by_less_than_one_example_a_stage_are_fair():
    check_fair([meta("random"), meta("loss", (109, 91)), meta("lhas", (100, 100))])


def test_one_example_more_is_unfair_and_the_message_names_both_selectors_and_the_stage():
    with pytest.raises(UnfairError, match=r"in stage 'b' 'loss' .* trained 91 and 'random' .* 101"):
        check_fair([meta("random", (100, 101)), meta("loss", (100, 91))])


def test_the_example_that_cells_may_differ_by_is_the_longest_that_any_of_them_was_offered():
    replaying = meta("replay", (100, 111))
    replaying["per_stage"][1]["longest_response"] = 12
    check_fair([meta("random"), replaying])
    with pytest.raises(UnfairError, match="in stage 'b'"):
        check_fair([meta("random"), meta("replay", (100, 112))])


@pytest.mark.parametrize(
    ("changes", "what"), [({"adapter_hash": "B"}, "step-0 adapter"), ({"pool_hashes": {"a": "Q"}}, "the pools")]
)
def test_another_start_or_another_pool_is_unfair(changes, what):
    with pytest.raises(UnfairError, match=what):
        check_fair([meta("random"), meta("loss", **changes)])


@pytest.mark.parametrize("axis", [{"seed": 1}, {"adaptation": "full"}])
def test_another_seed_or_mode_starts_from_another_adapter(axis):
    check_fair([meta("random"), meta("loss", adapter_hash="B", **axis)])


@pytest.mark.parametrize("axis", [{"seed": 1}, {"adaptation": "full"}, {"order": "reversed"}, {"budget": "50%"}])
def test_budgets_are_compared_within_one_place_of_the_grid(axis):
    check_fair([meta("random"), meta("loss", (300, 300), **axis)])


def test_a_reference_may_train_on_more():
    check_fair([meta("random"), meta("random_matched", (300, 300), reference=True)])


def test_a_diverged_cell_has_trained_on_less():
    check_fair([meta("random"), meta("loss", (100, 0), status="diverged")])


def test_budgets_in_examples_may_differ_in_tokens():
    check_fair([meta("random", budget="25% examples"), meta("loss", (300, 300), budget="25% examples")])


def test_nothing_finished_is_fair():
    check_fair([])


def pool_of(lengths):
    return Pool("a", tuple(Tokens(Example(f"e{n}", "p", "r"), tuple(range(1 + n)), 1) for n in lengths))


@pytest.mark.parametrize(
    ("lengths", "budget", "trained", "said"),
    [
        ([10] * 40, "25%", 105, None),
        ([10] * 40, "25%", 111, "which is 100 response tokens, up to 111 were trained on"),
        ([300, 312, 301], "20 tokens", 312, "which is 20 response tokens, up to 312 were trained on"),
        ([300, 312, 301], "20 tokens", 29, None),
        ([10] * 40, "25% examples", 900, None),
    ],
)
def test_a_budget_that_was_exceeded_by_far_is_said_with_both_numbers(lengths, budget, trained, said):
    pool = pool_of(lengths)
    config = load_config({"suite": {"train": 5}, "budgets": [budget]})
    inputs = SimpleNamespace(stages={"a": SimpleNamespace(pool=pool), "b": SimpleNamespace(pool=pool)})
    cells = [meta("random", (0, 0)), meta("loss", (trained, 0))]
    cells = [cell | {"budget": str(config.budgets[0])} for cell in cells]
    notes = overshoot_notes(config, inputs, cells)
    assert len(notes) == (said is not None)
    assert all(note.startswith(f"In 'a' under a budget of {config.budgets[0]}, ") and said in note for note in notes)
    assert overshoot_notes(config, inputs, [cell | {"reference": True} for cell in cells]) == ()
