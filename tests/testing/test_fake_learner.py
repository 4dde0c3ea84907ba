import numpy as np
import pytest

from farsighted.core.errors import DivergedError
from farsighted.core.values import Example, Tokens
from farsighted.signals.table import SIGNALS
from farsighted.testing.fake_learner import FakeLearner

RNG = np.random.default_rng
BATCH = [Tokens(Example(f"e{row}", "p", "r"), tuple(range(row, row + 3 + row % 4)), 2) for row in range(12)]
LENGTHS = np.array([tokens.response_length for tokens in BATCH])


def trained(steps=3, **options):
    learner = FakeLearner(**options)
    learner.begin_stage(10)
    for number in range(steps):
        learner.step(BATCH, RNG(number))
    return learner


def test_it_gives_every_signal_of_a_model_one_row_an_example():
    rows = SIGNALS.values()
    asked = frozenset(row.name for row in rows if row.cost != "metadata" and not row.is_once and not row.is_context)
    found = trained().signals(BATCH, asked)
    assert found.keys() == asked
    assert all(len(rows) == len(BATCH) and np.isfinite(rows).all() for rows in found.values())


def test_the_gradient_is_the_slope_of_the_loss():
    learner = trained()
    weight = learner.parameters()["weight"]
    sketch_ND = learner.signals(BATCH, frozenset({"grad_sketch"}))["grad_sketch"]
    for place in range(len(weight)):
        nll = []
        for sign in (1, -1):
            learner.load_parameters({"weight": weight + sign * 1e-6 * (np.arange(len(weight)) == place)})
            nll.append(learner.likelihoods(BATCH).nll_sum / LENGTHS)
        np.testing.assert_allclose(sketch_ND[:, place], (nll[0] - nll[1]) / 2e-6, atol=1e-5)


def test_signals_agree_with_the_likelihoods():
    learner = trained()
    found = learner.signals(BATCH, frozenset({"nll", "correctness"}))
    likelihoods = learner.likelihoods(BATCH)
    np.testing.assert_allclose(found["nll"], likelihoods.nll_sum / LENGTHS, rtol=1e-6)
    assert found["correctness"].tolist() == likelihoods.hit_share.tolist()


def test_it_learns_what_it_is_trained_on():
    losses = [trained(steps, dropout=0.0).step(BATCH, RNG(0)).loss for steps in range(6)]
    assert losses == sorted(losses, reverse=True)


def test_the_loss_of_a_step_is_the_mean_over_response_tokens():
    learner = trained()
    expected = learner.likelihoods(BATCH).nll_sum.sum() / LENGTHS.sum()
    assert learner.step(BATCH, RNG(0)).loss == pytest.approx(expected)


def test_going_on_from_parameters_and_optimizer_state_changes_no_bit():
    whole, half = trained(5), trained(3)
    resumed = FakeLearner()
    resumed.load_parameters(half.parameters())
    resumed.begin_stage(10)
    resumed.load_optimizer_state(half.optimizer_state())
    for number in (3, 4):
        resumed.step(BATCH, RNG(number))
    assert resumed.parameters()["weight"].tobytes() == whole.parameters()["weight"].tobytes()


def test_dropout_comes_from_the_generator_alone():
    weights = [trained().parameters()["weight"].tobytes() for _ in range(2)]
    assert weights[0] == weights[1]
    assert trained(dropout=0.0).parameters()["weight"].tobytes() != weights[0]


def test_a_weight_that_is_not_finite_stops_the_step_and_names_the_examples():
    learner = FakeLearner()
    learner.load_parameters({"weight": np.full(16, np.nan)})
    learner.begin_stage(1)
    with pytest.raises(DivergedError, match="The training loss is not finite for e0, e1") as raised:
        learner.step(BATCH, RNG(0))
    assert raised.value.example_ids == tuple(tokens.example.id for tokens in BATCH)


def test_a_step_needs_a_stage():
    with pytest.raises(RuntimeError, match="begin_stage"):
        FakeLearner().step(BATCH, RNG(0))
    assert FakeLearner().optimizer_state() == {}


def test_changes_are_compared_by_their_inner_products():
    a, b, c = ({"weight": np.array(row)} for row in ([0.0, 0.0], [1.0, 2.0], [3.0, 3.0]))
    inner = FakeLearner(width=2).change_inner(a, b, c)
    assert (inner.earlier_later, inner.earlier_squared, inner.later_squared) == (4.0, 5.0, 5.0)


def test_a_weighted_step_goes_along_the_gradient_of_the_weighted_losses():
    learner, weight = FakeLearner(dropout=0.0), np.linspace(0.5, 1.5, len(BATCH))
    learner.begin_stage(10)
    before = learner.parameters()["weight"]
    sketch_ND = learner.signals(BATCH, frozenset({"grad_sketch"}))["grad_sketch"]
    expected = sum(w * n * g for w, n, g in zip(weight, LENGTHS, sketch_ND, strict=True)) / LENGTHS.sum()
    record = learner.step(BATCH, RNG(0), weight)
    np.testing.assert_allclose(learner.parameters()["weight"] - before, -0.5 * expected, rtol=1e-5, atol=1e-7)
    assert record.grad_norm == pytest.approx(np.linalg.norm(expected), rel=1e-5)
    np.testing.assert_allclose(record.sketch, sketch_ND, rtol=1e-6)
