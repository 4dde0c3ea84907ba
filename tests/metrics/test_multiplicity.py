import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from farsighted.metrics.intervals import ends_at, two_sided_p
from farsighted.metrics.multiplicity import TAIL, correct, resamples_needed
from oracles.multiplicity_loops import slow_benjamini_hochberg, slow_holm, slow_holm_rejections

ALPHA = 0.05
P_VALUES = st.lists(st.sampled_from([0.0004, 0.002, 0.01, 0.013, 0.02, 0.03, 0.05, 0.2, 1.0]), min_size=1, max_size=9)


@given(P_VALUES)
def test_holm_equals_a_slow_step_down(p_values):
    found = correct(np.array(p_values), ALPHA, "holm")
    assert found.p_M.tolist() == pytest.approx(slow_holm(p_values))
    assert {place for place, p in enumerate(found.p_M) if p <= ALPHA} == slow_holm_rejections(p_values, ALPHA)


@given(P_VALUES)
def test_benjamini_hochberg_equals_a_slow_step_up_and_scipy(p_values):
    found = correct(np.array(p_values), ALPHA, "benjamini-hochberg").p_M.tolist()
    assert found == pytest.approx(slow_benjamini_hochberg(p_values))
    assert found == pytest.approx(stats.false_discovery_control(p_values).tolist())


@given(P_VALUES, st.sampled_from(["holm", "benjamini-hochberg", "none"]))
def test_a_p_value_is_at_most_the_level_of_its_near_end_where_its_comparison_is_decided(p_values, method):
    found = correct(np.array(p_values), ALPHA, method)
    decided = found.p_M <= ALPHA * (1 + 1e-9)
    assert np.array_equal(np.array(p_values) <= found.near_M * (1 + 1e-9), decided)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_comparisons_does_not_matter(p_values, shuffle):
    order = list(range(len(p_values)))
    shuffle.shuffle(order)
    for method in ("holm", "benjamini-hochberg", "none"):
        plain = correct(np.array(p_values), ALPHA, method)
        mixed = correct(np.array([p_values[place] for place in order]), ALPHA, method)
        for ours, theirs in zip(plain, mixed, strict=True):
            assert ours[order].tolist() == pytest.approx(theirs.tolist())


def test_levels_follow_the_steps_of_holm():
    found = correct(np.array([0.30, 0.001, 0.016, 0.2]), ALPHA, "holm")
    # steps: .001 <= .05/4, .016 <= .05/3, .2 > .05/2: two are decided, two are not
    assert found.near_M.tolist() == pytest.approx([0.05 / 4, 0.05 / 4, 0.05 / 3, 0.05 / 4])
    assert found.far_M.tolist() == pytest.approx([0.05 / 4] * 4)


def test_levels_of_benjamini_and_hochberg_follow_the_share_that_is_decided():
    found = correct(np.array([0.30, 0.001, 0.02, 0.2]), ALPHA, "benjamini-hochberg")
    assert found.near_M.tolist() == pytest.approx([2 * 0.05 / 4] * 4)
    none = correct(np.array([0.30, 0.8]), ALPHA, "benjamini-hochberg")
    assert none.near_M.tolist() == pytest.approx([0.05 / 2] * 2)


def test_without_a_correction_everything_stays_at_alpha():
    found = correct(np.array([0.04, 0.04]), ALPHA, "none")
    assert [part.tolist() for part in found] == [[0.04, 0.04], [0.05, 0.05], [0.05, 0.05]]


def test_no_comparison_is_no_error():
    for method in ("holm", "benjamini-hochberg", "none"):
        assert correct(np.array([]), ALPHA, method).p_M.size == 0


def test_enough_resamples_lie_beyond_the_smallest_level():
    for comparisons in (1, 12, 200):
        count = resamples_needed(comparisons, ALPHA)
        assert count * ALPHA / comparisons / 2 >= TAIL - 1e-9
        p = two_sided_p(np.full(count, 1.0))
        assert correct(np.full(comparisons, p), ALPHA, "holm").p_M.max() <= ALPHA / TAIL


def wrong_claims(effects, smallest, runs, method):
    """Shares of families with a wrong sign, and with a difference called small that is not; replicates are normal.

    `effects` in standard errors. Ends are those of the normal distribution, as a bootstrap without Monte Carlo error
    would have them.
    """
    rng, signs, smalls = np.random.default_rng(5), 0, 0
    for _ in range(runs):
        found = effects + rng.normal(size=len(effects))
        levels = correct(2 * stats.norm.sf(np.abs(found)), ALPHA, method)
        near, far = (stats.norm.isf(level / 2) for level in (levels.near_M, levels.far_M))
        low = found - np.where(found > 0, near, far)
        high = found + np.where(found > 0, far, near)
        small = (low >= -smallest) & (high <= smallest)
        signs += bool((((low > 0) & (effects <= 0)) | ((high < 0) & (effects >= 0)))[~small].any())
        smalls += bool((small & (np.abs(effects) >= smallest)).any())
    return signs / runs, smalls / runs


# Four standard errors of a share of 5 % over 2,000 families are 2 %.
@pytest.mark.parametrize(
    "effects",
    [np.zeros(12), np.array([0.0] * 6 + [5.0] * 6), np.array([0.0, 8, 8, 8])],
    ids=["nothing", "half", "one"],
)
def test_holm_gives_a_wrong_sign_in_at_most_alpha_of_all_families(effects):
    sign, _ = wrong_claims(effects, 0.0, 2000, "holm")
    assert sign <= ALPHA + 0.02
    uncorrected, _ = wrong_claims(effects, 0.0, 2000, "none")
    assert uncorrected >= sign


@pytest.mark.parametrize("smallest", [4.5, 6.0])
def test_differences_just_as_large_as_the_smallest_effect_are_called_small_in_at_most_half_of_alpha(smallest):
    # Nearly all are decided, so step-down levels at the far ends would let several times as many through.
    _, small = wrong_claims(np.full(20, smallest), smallest, 2000, "holm")
    assert small <= ALPHA / 2 + 0.014


def coverage(confidence, runs=200):
    """Share of simulated audits of two selectors whose corrected intervals hold both true differences, 0 and 3."""
    rng, held = np.random.default_rng(8), 0
    truth = np.array([0.0, 3.0])
    for _ in range(runs):
        change_MI = truth[:, None] + rng.normal(size=(2, 60)) * 5
        drawn_BI = rng.integers(60, size=(1000, 60))
        replicates_MB = change_MI[:, drawn_BI].mean(axis=-1)
        p_M = np.array([two_sided_p(one_B) for one_B in replicates_MB])
        levels = correct(p_M, 1 - confidence, "holm")
        ends = [
            ends_at(one_B, *((near, far) if one_B.mean() > 0 else (far, near)))
            for one_B, near, far in zip(replicates_MB, levels.near_M, levels.far_M, strict=True)
        ]
        held += all(end.low <= true <= end.high for end, true in zip(ends, truth, strict=True))
    return held / runs


def test_corrected_intervals_hold_all_true_differences_as_often_as_stated():
    # four standard errors of 5 % over 200 audits are 6 %; percentile intervals of 60 items are a little short
    assert coverage(0.95) >= 0.89
