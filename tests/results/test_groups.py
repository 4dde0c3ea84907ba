import numpy as np
import pytest

from farsighted.results.groups import Settings, report_group
from farsighted.results.lookup import GroupKey
from oracles.fabricated_cells import make_audit, make_cell, three_selectors, wanted

KEY = GroupKey("canonical", "25%", "lora")


def group_of(cells, resamples=400):
    return report_group(KEY, cells, Settings.of(make_audit(cells, resamples=resamples)["config"]))


def test_a_sample_is_the_mean_over_drawn_seeds_of_the_drawn_items():
    group = group_of(three_selectors(), resamples=10)
    sample = group.sample("loss", "current", [0, 1])
    cells = [group.cells["loss", seed].replicates["current"] for seed in (0, 1)]
    drawn = group.seed_draw([0, 1])
    by_hand = [np.mean([cells[seed][b] for seed in drawn[b]]) for b in range(10)]
    np.testing.assert_allclose(sample.replicates_B, by_hand)


def test_the_spread_of_a_difference_has_a_part_of_items_and_a_part_of_seeds():
    ood = {"random": (50, 50), "loss": (58, 62)}
    cells = [make_cell(name, seed, wanted(ood=score[seed])) for name, score in ood.items() for seed in (0, 1)]
    group = group_of(cells, resamples=2000)
    items, seeds = group.spreads("loss", "random", "ood", [0, 1])
    # Items alternate alike for both, so only seeds differ: 8, 10 or 12, and a draw of two is 8 or 12 a quarter of times
    assert items == pytest.approx(0, abs=1e-9)
    assert seeds == pytest.approx(np.sqrt(2), rel=0.1)


def test_selectors_share_the_draws_so_a_constant_difference_has_no_spread():
    group = group_of(three_selectors())
    difference = group.sample("loss", "current", [0, 1]).replicates_B - group.sample("random", "current", [0, 1])[1]
    np.testing.assert_allclose(difference, 4)
    assert group.sample("loss", "current", [0, 1]).replicates_B.std() > 1


def test_a_diagnostic_varies_with_seeds_alone():
    run = {"capability_entropy": 1.0, "update_concentration": 0.4, "mean_difficulty": 0.5, "mean_quality": 0.5}
    cells = [
        make_cell("random", seed, wanted(), run={**run, "update_concentration": 0.2 + 0.2 * seed}) for seed in (0, 1)
    ]
    group = group_of([*cells, make_cell("loss", 0, wanted()), make_cell("loss", 1, wanted())])
    sample = group.sample("random", "update_concentration", [0, 1])
    assert {round(float(value), 9) for value in sample.replicates_B} == {0.2, 0.3, 0.4}
    assert group.spreads("random", "loss", "update_concentration", [0, 1])[0] < 1e-12


def test_reference_rows_do_not_move_the_common_threshold():
    cells = [make_cell(name, 0, wanted(rise=rise)) for name, rise in {"random": 40, "lhas": 60}.items()]
    # Without it the threshold is 50; counted, the reference row would lift it to 60.
    cells.append(make_cell("random_matched", 0, wanted(rise=80), reference=True))
    group = group_of(cells)
    assert group.cells["lhas", 0].values["tokens_to_threshold"] == pytest.approx(100 / 150)
    assert np.isnan(group.cells["random_matched", 0].values["tokens_to_threshold"])
    assert group.cells["random_matched", 0].crossings is None


def test_chosen_examples_are_told_apart_by_stage():
    cell = make_cell("random", 0, wanted(), chosen={"general": ["x"], "math": ["x"], "code": ["y"]})
    assert group_of([cell]).cells["random", 0].chosen == {"1/x", "2/x", "3/y"}


def test_the_smallest_validation_set_counts():
    assert group_of(three_selectors(items=6)).items == 6


def test_a_group_without_cells_is_empty():
    assert group_of([]).cells == {}
