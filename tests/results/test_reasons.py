import pytest

from oracles.fabricated_cells import make_audit, make_cell, results_of, wanted

SEEDS = range(3)


def verdict_on(cells, name="loss", **kwargs):
    summary = results_of(cells, make_audit(cells, **kwargs))["summary"]
    return next(entry["verdicts"][0] for entry in summary if entry["selector"] == name)


def pair(own, other=None, seeds=SEEDS, **kwargs):
    other = other or own
    return [make_cell(name, seed, one, **kwargs) for seed in seeds for name, one in (("random", other), ("loss", own))]


def without_ood(**kwargs):
    scores = wanted(**kwargs)
    scores.ood = {}
    return scores


def is_none(entry):
    return (entry["verdict"], entry["now"], entry["later"], entry["provisional"]) == ("no verdict", None, None, False)


def test_without_a_shifted_set_there_is_no_verdict_and_both_ways_out_are_named():
    entry = verdict_on(pair(without_ood(gain=44), without_ood()))
    assert is_none(entry)
    assert "Name one under `ood` in a stage" in entry["why"]
    assert "`long_horizon: {ood: 0}`" in entry["why"]


def test_with_the_weight_of_shifted_sets_at_zero_there_is_a_verdict():
    assert verdict_on(pair(without_ood(fall=20), without_ood()), weights={"ood": 0.0})["verdict"] == "myopic"


def test_one_seed_gives_no_verdict():
    entry = verdict_on(pair(wanted(gain=44), wanted(), seeds=[3]))
    assert is_none(entry)
    assert entry["why"].startswith("Both have finished seed 3 alone")
    assert entry["power"]["resolvable"] is False


@pytest.mark.parametrize(("start", "words"), [(0.0, "above the floor"), (100.0, "below the ceiling")])
def test_scores_that_are_all_at_an_end_of_their_scale_give_no_verdict(start, words):
    scores = wanted(ood=start)
    scores.matrix = [[start] * 3 for _ in scores.matrix]
    entry = verdict_on(pair(scores, spread=0.0))
    assert is_none(entry)
    assert words in entry["why"]


def test_one_selector_at_the_floor_beside_one_that_learns_can_be_judged():
    low = wanted(ood=0.0)
    low.matrix = [[0.0] * 3 for _ in low.matrix]
    assert verdict_on(pair(low, wanted(), spread=0.0))["verdict"] == "worse"


def test_without_a_shared_seed_there_is_no_verdict():
    cells = [make_cell("random", 0, wanted()), make_cell("loss", 1, wanted())]
    entry = verdict_on(cells)
    assert is_none(entry)
    assert entry["why"].startswith("No seed has finished for both this selector and 'random'.")
    assert entry["power"] is None


def test_what_was_not_measured_is_named():
    short = wanted()
    short.neutral = []
    entry = verdict_on(pair(short))
    assert is_none(entry)
    assert "needs `future_auc`" in entry["why"]
    assert "`long_horizon: {future_auc: 0}`" in entry["why"]


def test_a_score_that_was_not_evaluated_is_named():
    gap = wanted()
    gap.matrix[1][0] = None
    entry = verdict_on(pair(gap))
    assert is_none(entry)
    assert "`current`" in entry["why"]
