import math

import numpy as np
import pytest

from farsighted.config.load import load_config
from farsighted.config.quadratic import QuadraticConfig
from farsighted.core.errors import ConfigError, DivergedError, ModelError
from farsighted.learners.base import Learner
from farsighted.learners.quadratic import DescentSettings, QuadraticLearner, build_quadratic, random_subspace
from farsighted.signals.table import SIGNALS
from farsighted.worlds.quadratic import build_world
from oracles import own_signals  # noqa: F401 — it registers its signals
from oracles.quadratic_loops import descended, gradient, loss

WORLD = build_world(QuadraticConfig(train=64, validation=20, ood=10, proxy=4), seed=0)
POOL = WORLD.stages[1].train
ROWS = np.array([text.ids[0] for text in POOL])
RANDOM = np.random.default_rng(5)


def learner(rank=6, rate=0.5, **settings):
    subspace = None if rank is None else random_subspace(WORLD, rank, seed=3)
    return QuadraticLearner(WORLD, subspace, DescentSettings(rate, **settings))


def moved(rank=6, **settings):
    found = learner(rank, **settings)
    size = len(found.parameters()["weight"])
    found.load_parameters({**found.parameters(), "weight": np.random.default_rng(1).normal(size=size)})
    return found


def weight_of(found):
    arrays = found.parameters()
    return arrays["subspace"] @ arrays["weight"] if "subspace" in arrays else arrays["weight"]


def test_it_keeps_the_contract_of_a_learner():
    assert (
        isinstance(learner(), Learner)
        if hasattr(Learner, "_is_runtime_protocol") and Learner._is_runtime_protocol
        else True
    )
    assert learner().backward_cost == 1
    assert learner(None).backward_cost == 2


@pytest.mark.parametrize("rank", [6, None])
def test_losses_and_gradients_equal_those_of_a_plain_loop(rank):
    found = moved(rank)
    weight, subspace = weight_of(found), found.parameters().get("subspace", np.eye(WORLD.direction_ND.shape[1]))
    got = found.signals(POOL, frozenset({"nll", "grad_sketch", "grad_norm", "head_grad_norm"}))
    for n, row in enumerate(ROWS[:10]):
        x, y = WORLD.direction_ND[row], WORLD.target_N[row]
        expected = gradient(x, y, weight, subspace)
        assert got["nll"][n] == pytest.approx(loss(x, y, weight), rel=1e-12)
        assert got["grad_sketch"][n] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert got["grad_norm"][n] == pytest.approx(math.hypot(*expected), rel=1e-12)
        assert got["head_grad_norm"][n] == pytest.approx(abs(x @ weight - y), rel=1e-12)


def test_a_step_equals_that_of_a_plain_loop():
    found = moved()
    before = found.parameters()
    found.begin_stage(10)
    record = found.step(POOL[:7], RANDOM)
    expected = descended(
        WORLD.direction_ND[ROWS[:7]], WORLD.target_N[ROWS[:7]], before["subspace"], before["weight"], 0.5
    )
    assert np.allclose(found.parameters()["weight"], expected, rtol=1e-12)
    losses = [loss(WORLD.direction_ND[r], WORLD.target_N[r], before["subspace"] @ before["weight"]) for r in ROWS[:7]]
    assert record.loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_loss_after_one_step_is_that_of_equation_8():
    found = moved(None)
    x, y = WORLD.direction_ND[ROWS], WORLD.target_N[ROWS]
    hessian = x.T @ x / len(x)
    before = weight_of(found)
    slope = x.T @ (x @ before - y) / len(x)
    step = 0.3 * found.signals(POOL[:5], frozenset({"grad_sketch"}))["grad_sketch"].mean(axis=0)
    expected = np.mean((x @ before - y) ** 2) / 2 - step @ slope + step @ hessian @ step / 2
    found = moved(None, rate=0.3)
    found.begin_stage(1)
    found.step(POOL[:5], RANDOM)
    after = weight_of(found)
    assert np.mean((x @ after - y) ** 2) / 2 == pytest.approx(expected, rel=1e-13)


def test_descent_on_everything_ends_at_the_least_squares_optimum_of_the_subspace():
    found = learner(rank=3, rate=1.5)
    found.begin_stage(4000)
    for _ in range(4000):
        found.step(POOL, RANDOM)
    features = WORLD.direction_ND[ROWS] @ found.parameters()["subspace"]
    best, *_ = np.linalg.lstsq(features, WORLD.target_N[ROWS])
    assert np.allclose(found.parameters()["weight"], best, atol=1e-6)


def test_a_subspace_of_all_dimensions_is_full_training():
    whole, full = learner(WORLD.direction_ND.shape[1]), learner(None)
    for found in (whole, full):
        found.begin_stage(20)
        for _ in range(20):
            found.step(POOL[:16], RANDOM)
    assert np.allclose(weight_of(whole), weight_of(full), atol=1e-12)


def test_training_moves_the_vector_inside_its_subspace_alone():
    found = learner(4)
    found.begin_stage(5)
    found.step(POOL, RANDOM)
    subspace = found.parameters()["subspace"]
    assert np.allclose(subspace.T @ subspace, np.eye(4), atol=1e-12)
    weight = weight_of(found)
    assert np.allclose(subspace @ (subspace.T @ weight), weight)


def test_seeds_draw_subspaces_of_their_own_and_no_direction_is_preferred():
    bases = [random_subspace(WORLD, 6, seed) for seed in range(200)]
    assert not np.allclose(bases[0], bases[1])
    share = np.mean([(basis**2).sum(axis=1) for basis in bases], axis=0)
    # Every axis keeps R/D of its length on average.
    assert np.allclose(share, 6 / 48, atol=0.03)


def test_every_signal_of_the_model_is_finite_and_has_a_row_a_candidate():
    names = {name for name, row in SIGNALS.items() if row.cost != "metadata" and not row.is_once and not row.is_context}
    found = moved().signals(POOL, frozenset(names))
    assert found.keys() == names
    assert all(len(rows) == len(POOL) and np.isfinite(rows).all() for rows in found.values())


def test_signals_of_one_example_do_not_depend_on_the_others():
    found, names = moved(), frozenset({"nll", "grad_norm", "head_sketch", "logit_sketch"})
    alone = found.signals(POOL[3:4], names)
    among = found.signals(POOL, names)
    assert all(np.allclose(alone[name][0], among[name][3], rtol=1e-14) for name in names)


def test_signals_of_ones_own_are_made_of_what_it_leaves():
    found = moved().signals(POOL, frozenset({"surprise", "pull", "nll", "grad_norm"}))
    assert found["surprise"].tolist() == found["nll"].tolist(), "a text has one token"
    assert np.allclose(found["pull"], found["grad_norm"] / (found["nll"] + 1e-6), rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.5, 1, 1, 1]), ("linear", [0.5, 1, 2 / 3, 1 / 3]), ("cosine", [0.5, 1, 0.75, 0.25])],
)
def test_the_learning_rate_follows_the_schedule(schedule, expected):
    settings = DescentSettings(1.0, schedule, warmup_share=0.25)
    assert [settings.rate(step, 4) for step in range(4)] == pytest.approx(expected)


def test_a_gradient_is_cut_to_the_norm_allowed_and_told_uncut():
    found = learner(rate=1.0, grad_clip=0.01)
    found.begin_stage(1)
    before = found.parameters()["weight"]
    norm = found.step(POOL, RANDOM).grad_norm
    assert norm > 0.01
    assert np.linalg.norm(found.parameters()["weight"] - before) == pytest.approx(0.01)


def test_weight_decay_shrinks_what_was_there():
    plain, decayed = moved(rate=0.1), moved(rate=0.1, weight_decay=0.5)
    start = plain.parameters()["weight"]
    for found in (plain, decayed):
        found.begin_stage(1)
        found.step(POOL, RANDOM)
    assert np.allclose(plain.parameters()["weight"] - decayed.parameters()["weight"], 0.1 * 0.5 * start)


def test_it_goes_on_bit_for_bit_from_its_saved_state():
    straight, broken = (learner(schedule="cosine") for _ in range(2))
    for found in (straight, broken):
        found.begin_stage(6)
        for _ in range(3):
            found.step(POOL[:8], RANDOM)
    arrays, state = broken.parameters(), broken.optimizer_state()
    again = learner(schedule="cosine")
    again.load_parameters(arrays)
    again.begin_stage(6)
    again.load_optimizer_state(state)
    for found in (straight, again):
        found.step(POOL[8:16], RANDOM)
    assert np.array_equal(straight.parameters()["weight"], again.parameters()["weight"])


def test_changes_of_the_vector_and_of_its_coordinates_have_the_same_inner_products():
    found = learner()
    a = found.parameters()
    states = [a]
    found.begin_stage(2)
    for part in (POOL[:8], POOL[8:16]):
        found.step(part, RANDOM)
        states.append(found.parameters())
    inner = found.change_inner(*states)
    w = [state["subspace"] @ state["weight"] for state in states]
    assert inner.earlier_later == pytest.approx((w[1] - w[0]) @ (w[2] - w[1]))
    assert inner.later_squared == pytest.approx(np.sum((w[2] - w[1]) ** 2))


def test_what_diverged_is_named_before_anything_changes():
    found = learner()
    found.load_parameters({**found.parameters(), "weight": np.full(6, np.inf)})
    found.begin_stage(1)
    with np.errstate(invalid="ignore"), pytest.raises(DivergedError, match="math-train-0"):
        found.step(POOL[:2], RANDOM)
    assert np.isinf(found.parameters()["weight"]).all()


def test_a_step_needs_a_stage():
    with pytest.raises(RuntimeError, match="begin_stage"):
        learner().step(POOL[:2], RANDOM)


def test_a_rank_beyond_the_world_is_refused():
    with pytest.raises(ConfigError, match="at most the world's 48 dimensions"):
        random_subspace(WORLD, 49, 0)


def test_the_self_test_passes_and_finds_a_wrong_gradient(monkeypatch):
    found = moved()
    found.self_test(POOL[:4])
    right = QuadraticLearner.signals
    monkeypatch.setattr(
        QuadraticLearner, "signals", lambda self, *args: {n: 1.01 * rows for n, rows in right(self, *args).items()}
    )
    with pytest.raises(ModelError, match="do not fit"):
        found.self_test(POOL[:4])


@pytest.mark.parametrize(("mode", "rate"), [("lora", 2.0), ("full", 0.25)])
def test_each_adaptation_steps_at_its_own_rate(mode, rate):
    config = load_config("quadratic", ["full.learning_rate_factor=0.125"])
    found = build_quadratic(config, WORLD, mode, seed=0)
    found.begin_stage(5)
    record = found.step(POOL[:4], np.random.default_rng(0))
    assert np.linalg.norm(found.parameters()["weight"]) == pytest.approx(rate * record.grad_norm)


@pytest.mark.parametrize("rank", [6, None])
def test_a_weighted_step_goes_along_the_mean_of_the_weighted_gradients(rank):
    found, plain = moved(rank), moved(rank)
    before, subspace = weight_of(found), found.parameters().get("subspace", np.eye(WORLD.direction_ND.shape[1]))
    weight = np.array([0.5, 2.0, 0.5])
    for one in (found, plain):
        one.begin_stage(4)
    record, unweighted = found.step(POOL[:3], RANDOM, weight), plain.step(POOL[:3], RANDOM)
    gradients = [gradient(WORLD.direction_ND[row], WORLD.target_N[row], before, subspace) for row in ROWS[:3]]
    mean = sum(factor * np.array(one) for factor, one in zip(weight, gradients, strict=True)) / 3
    np.testing.assert_allclose(weight_of(found) - before, -0.5 * subspace @ mean, rtol=1e-9, atol=1e-12)
    assert record.grad_norm == pytest.approx(np.linalg.norm(mean))
    assert record.loss == unweighted.loss
    assert record.sketch.tolist() == unweighted.sketch.tolist()
