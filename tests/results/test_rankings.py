import pytest

from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted


def planned_results(cells, **kwargs):
    return results_of(cells, make_audit(cells, **kwargs))


def test_the_gap_tells_who_falls_from_who_rises():
    (gap,) = planned_results(three_selectors())["myopia"]
    # Now: loss, random, lhas; later: lhas, random, loss.
    signed = {name: entry["signed"] for name, entry in gap["selectors"].items()}
    assert signed == {"random": 0, "loss": 1, "lhas": -1}
    assert gap["family"] == pytest.approx(2 / 3)
    assert gap["selectors"]["loss"]["rank_immediate"] == 1
    assert gap["selectors"]["loss"]["rank_long"] == 3
    assert gap["seeds"] == [0, 1]


def test_ranks_that_no_resample_changes_have_a_degenerate_interval():
    (gap,) = planned_results(three_selectors())["myopia"]
    assert (gap["low"], gap["high"]) == pytest.approx((2 / 3, 2 / 3))
    assert gap["selectors"]["loss"]["low"] == gap["selectors"]["loss"]["high"] == 1


def test_reference_rows_have_no_rank():
    (gap,) = planned_results(three_selectors())["myopia"]
    assert "random_matched" not in gap["selectors"]


def test_the_gap_is_over_common_seeds_and_a_note_says_so():
    cells = [cell for cell in three_selectors() if (cell.meta["selector"], cell.meta["seed"]) != ("lhas", 1)]
    results = results_of(cells, make_audit(three_selectors()))
    assert results["myopia"][0]["seeds"] == [0]
    assert any("over the seeds that all its selectors finished: 0." in note for note in results["notes"])


def test_a_selector_without_a_finished_seed_is_left_out_by_name():
    lost = make_cell("gradient", 0, wanted(), status="diverged", reason="x")
    results = planned_results([*three_selectors(seeds=(0,)), lost])
    assert results["myopia"][0]["left_out"] == ["gradient"]
    assert any("leaves out, without a finished seed: gradient." in note for note in results["notes"])


def test_one_selector_has_no_gap_and_a_note_says_so():
    results = planned_results([make_cell("random", 0, wanted())])
    assert results["myopia"] == []
    assert any(note.startswith("No myopia gap for canonical, 25%, lora") for note in results["notes"])


def test_overlap_is_the_jaccard_index_of_every_pair_and_seed():
    chosen = {
        "random": {"general": ["a", "b"], "math": ["c"], "code": ["d"]},
        "loss": {"general": ["a", "x"], "math": ["c"], "code": ["y"]},
        "lhas": {"general": ["p"], "math": ["q"], "code": ["r"]},
    }
    cells = [make_cell(name, 0, wanted(), chosen=picked) for name, picked in chosen.items()]
    pairs = {(pair["a"], pair["b"]): pair["jaccard"] for pair in planned_results(cells)["overlap"]}
    # random and loss share a of stage 1 and c of stage 2 among six different choices
    assert pairs == pytest.approx({("random", "loss"): 2 / 6, ("random", "lhas"): 0, ("loss", "lhas"): 0})


def test_overlap_leaves_out_cells_that_did_not_finish():
    cells = [make_cell("random", 0, wanted()), make_cell("loss", 0, wanted(), status="diverged", reason="x")]
    assert planned_results(cells)["overlap"] == []
