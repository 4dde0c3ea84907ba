import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from farsighted.learners.optim import OptimizerSettings, StageOptimizer
from oracles.plain_adamw import adamw, rate

STEPS = 10


def parameters(dtype=torch.float64):
    start = np.random.default_rng(0).normal(size=12)
    parts = {"b": start[:4].reshape(2, 2), "a": start[4:]}
    return [(name, torch.nn.Parameter(torch.tensor(values, dtype=dtype))) for name, values in parts.items()]


def values(named):
    return np.concatenate([p.detach().double().numpy().ravel() for _, p in named])


def gradient_of(step):
    return np.random.default_rng(step + 1).normal(size=12) * (1 + step)


def take(optimizer, named, step):
    """Step with a gradient that depends on the step and on the values, as a real one does; returns its norm."""
    gradient = torch.tensor(gradient_of(step))
    for (_, parameter), part in zip(named, gradient.split([p.numel() for _, p in named]), strict=True):
        parameter.grad = part.reshape(parameter.shape).to(parameter.dtype)
    norm = optimizer.clip()
    optimizer.step()
    return norm


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup_share", [0.0, 0.3])
@pytest.mark.parametrize(("weight_decay", "grad_clip"), [(0.0, 1.0), (0.1, 1e9)])
def test_it_is_adamw_with_clipping_warm_up_and_the_schedule(schedule, warmup_share, weight_decay, grad_clip):
    named = parameters()
    start = values(named)
    optimizer = StageOptimizer(named, OptimizerSettings(0.02, schedule, warmup_share, weight_decay, grad_clip), STEPS)
    for step in range(STEPS):
        assert take(optimizer, named, step) == pytest.approx(np.linalg.norm(gradient_of(step)))
    rates = [0.02 * rate(schedule, step, STEPS, round(warmup_share * STEPS)) for step in range(STEPS)]
    expected = adamw(start, [gradient_of(step) for step in range(STEPS)], rates, weight_decay, grad_clip)
    np.testing.assert_allclose(values(named), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("stop_after", [0, 1, 4, 9])
def test_going_on_from_a_saved_state_changes_no_bit(dtype, schedule, stop_after):
    settings = OptimizerSettings(0.02, schedule, 0.2, 0.1)
    whole, half, resumed = (parameters(dtype) for _ in range(3))
    straight, stopped = StageOptimizer(whole, settings, STEPS), StageOptimizer(half, settings, STEPS)
    for step in range(STEPS):
        take(straight, whole, step)
    for step in range(stop_after):
        take(stopped, half, step)
    saved = load(save({name: np.asarray(array, order="C") for name, array in stopped.state().items()}))
    for (_, target), (_, source) in zip(resumed, half, strict=True):
        target.data.copy_(source.data)
    going_on = StageOptimizer(resumed, settings, STEPS)
    going_on.load_state(saved)
    for step in range(stop_after, STEPS):
        take(going_on, resumed, step)
    assert values(resumed).tobytes() == values(whole).tobytes()
    assert going_on.state().keys() == straight.state().keys()
    assert all(np.array_equal(array, straight.state()[name]) for name, array in going_on.state().items())


def test_a_saved_state_is_a_copy():
    named = parameters()
    optimizer = StageOptimizer(named, OptimizerSettings(0.02), STEPS)
    take(optimizer, named, 0)
    saved = optimizer.state()
    before = {name: array.copy() for name, array in saved.items()}
    optimizer.load_state(saved)
    take(optimizer, named, 1)
    assert all(np.array_equal(saved[name], before[name]) for name in saved)


def test_before_the_first_step_there_is_a_position_and_nothing_else():
    state = StageOptimizer(parameters(), OptimizerSettings(0.02), STEPS).state()
    assert {name: int(array) for name, array in state.items()} == {"schedule": 0}


def test_a_parameter_without_a_gradient_stays_where_it_is():
    named = [*parameters(), ("idle", torch.nn.Parameter(torch.ones(2)))]
    optimizer = StageOptimizer(named, OptimizerSettings(0.02, weight_decay=0.1), STEPS)
    take(optimizer, named[:2], 0)
    optimizer.load_state(optimizer.state())
    take(optimizer, named[:2], 1)
    assert named[2][1].tolist() == [1.0, 1.0]
    assert not [name for name in optimizer.state() if "idle" in name]


def test_a_step_forgets_its_gradient():
    named = parameters()
    optimizer = StageOptimizer(named, OptimizerSettings(0.02), STEPS)
    take(optimizer, named, 0)
    assert all(p.grad is None for _, p in named)


def test_a_stage_without_steps_can_be_started():
    assert StageOptimizer(parameters(), OptimizerSettings(0.02), 0).state()["schedule"] == 0
