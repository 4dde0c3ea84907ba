import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from farsighted.metrics import matrix
from oracles.metric_loops import matrix_metrics, needed_cells

NAMES = sorted(matrix_metrics([[1.0], [2.0]]))
NEEDS_TWO = {"forgetting", "forgetting_chaudhry", "forgetting_gem_bwt", "forgetting_avalanche", "forward_transfer"}

# Three stages, columns = stages, row 0 = base model.
HAND = np.array([[10.0, 20.0, 30.0], [60.0, 25.0, 20.0], [70.0, 80.0, 40.0], [50.0, 90.0, 85.0]])


@st.composite
def matrices(draw, min_stages=1):
    stages = draw(st.integers(min_stages, 6))
    return draw(hnp.arrays(np.float64, (stages + 1, stages), elements=st.floats(-50, 100, width=32)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("current", (60 + 80 + 85) / 3),
        ("immediate_gain", (50 + 55 + 45) / 3),
        ("final_average", (50 + 90 + 85) / 3),
        ("forgetting", (20 + 0) / 2),  # stage 1 peaked at 70 after stage 2; stage 2 is at its best at the end
        ("forgetting_chaudhry", (20 - 10) / 2),  # the final row is no candidate, so stage 2 has gained 10
        ("forgetting_gem_bwt", (-10 + 10) / 2),
        ("forgetting_avalanche", (10 - 10) / 2),
        ("forward_transfer", (5 + 10) / 2),
        ("capability_imbalance", np.sqrt((25**2 + 15**2 + 10**2) / 3)),  # deviations from 75
        ("worst_task", 50),
    ],
)
def test_metric_equals_its_value_by_hand(name, expected):
    assert getattr(matrix, name)(HAND) == pytest.approx(expected)


def test_values_per_stage_equal_those_by_hand():
    np.testing.assert_allclose(matrix.immediate_gain_per_stage(HAND), [50, 55, 45])
    np.testing.assert_allclose(matrix.forgetting_per_stage(HAND), [20, 0, 0])


@pytest.mark.parametrize("name", NAMES)
@given(score=matrices())
@settings(max_examples=30)
def test_metric_equals_loops_over_cells(name, score):
    expected = matrix_metrics(score.tolist())[name]
    np.testing.assert_allclose(getattr(matrix, name)(score), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [*NAMES, "immediate_gain_per_stage", "forgetting_per_stage"])
def test_batch_axes_give_what_single_matrices_give(name):
    batch = np.random.default_rng(0).normal(50, 20, (4, 3, 6, 5))
    metric = getattr(matrix, name)
    each = [[metric(batch[b, z]) for z in range(3)] for b in range(4)]
    np.testing.assert_array_equal(metric(batch), each)


@pytest.mark.parametrize("name", NAMES)
def test_metric_is_nan_exactly_where_a_cell_it_needs_is_missing(name):
    stages = 4
    score = np.random.default_rng(1).normal(50, 20, (stages + 1, stages))
    needed = needed_cells(name, stages)
    for row in range(stages + 1):
        for stage in range(1, stages + 1):
            hole = score.copy()
            hole[row, stage - 1] = np.nan
            result = getattr(matrix, name)(hole)
            assert np.isnan(result) == ((row, stage) in needed), (row, stage)


def test_evaluating_only_past_stages_is_enough_for_forgetting_but_not_for_transfer():
    past = np.where(np.arange(4)[:, None] >= np.arange(1, 4)[None, :], HAND, np.nan)
    assert matrix.forgetting(past) == 10
    assert np.isnan(matrix.forward_transfer(past))
    assert np.isnan(matrix.immediate_gain(past))


@pytest.mark.parametrize("name", NAMES)
def test_single_stage_has_no_forgetting_and_no_transfer(name):
    result = getattr(matrix, name)(np.array([[20.0], [60.0]]))
    assert np.isnan(result) == (name in NEEDS_TWO)
    assert result.shape == ()


def test_empty_means_keep_the_batch_axes():
    assert matrix.forgetting(np.zeros((7, 3, 2, 1))).shape == (7, 3)


@given(score=matrices(min_stages=2))
@settings(max_examples=50)
def test_forgetting_is_never_negative_and_zero_for_the_last_stage(score):
    drops = matrix.forgetting_per_stage(score)
    assert (drops >= 0).all()
    assert drops[-1] == 0


@given(score=matrices(min_stages=2))
@settings(max_examples=50)
def test_variants_of_forgetting_are_ordered_and_avalanche_is_minus_gem(score):
    ours, chaudhry = matrix.forgetting(score), matrix.forgetting_chaudhry(score)
    avalanche = matrix.forgetting_avalanche(score)
    assert ours >= chaudhry - 1e-9
    assert chaudhry >= avalanche - 1e-9
    assert avalanche == pytest.approx(-matrix.forgetting_gem_bwt(score), abs=1e-9)


@given(score=matrices(), shift=st.floats(-30, 30))
@settings(max_examples=50)
def test_a_shift_of_all_scores_moves_levels_and_leaves_changes(score, shift):
    for name in NAMES:
        before, after = getattr(matrix, name)(score), getattr(matrix, name)(score + shift)
        moved = shift if name in {"current", "final_average", "worst_task"} else 0.0
        np.testing.assert_allclose(after, before + moved, atol=1e-6)


@given(score=matrices())
@settings(max_examples=50)
def test_worst_task_is_at_most_the_final_average(score):
    assert matrix.worst_task(score) <= matrix.final_average(score) + 1e-9


@pytest.mark.parametrize("shape", [(3, 3), (3,), (1, 0), (2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(\.\.\., T \+ 1, T\)"):
        matrix.current(np.zeros(shape))
