import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.config.audit import ProbeConfig
from farsighted.protocol.probe import probe_points, probe_set, run_neutral_probe
from farsighted.protocol.scores import ScoreRows
from farsighted.testing.fake_learner import FakeLearner
from oracles.micro import desk_of, nano_config


class Watched(FakeLearner):
    """Notes what it is trained on."""

    def __init__(self):
        super().__init__()
        self.trained = []

    def step(self, batch, dropout):
        self.trained.append([tokens.example.id for tokens in batch])
        return super().step(batch, dropout)


@pytest.fixture
def desk(tmp_path):
    return desk_of(nano_config(tmp_path, probe={"steps": 4, "points": 2, "items": 3}), tmp_path / "out")


def probe(desk, learner, seed=0, after=1):
    scores = ScoreRows()
    probed = run_neutral_probe(learner, desk.inputs.stages["math"], desk.config, (seed, after, 3), scores)
    return probed.trained_tokens, scores.table()


@given(st.integers(1, 40), st.data())
@settings(max_examples=60)
def test_points_are_spread_to_the_last_step(steps, data):
    count = data.draw(st.integers(1, steps))
    points = probe_points(ProbeConfig(steps=steps, points=count))
    assert len(points) == count
    assert points[-1] == steps
    assert all(0 < point <= steps for point in points)
    gaps = np.diff((0, *points))
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("steps", "points", "wanted"), [(8, 4, (2, 4, 6, 8)), (8, 1, (8,)), (3, 3, (1, 2, 3)), (10, 3, (3, 7, 10))]
)
def test_points_by_hand(steps, points, wanted):
    assert probe_points(ProbeConfig(steps=steps, points=points)) == wanted


def test_the_model_is_left_as_it_was_found(desk):
    learner = FakeLearner()
    learner.begin_stage(1)
    learner.step(desk.inputs.stages["general"].pool.tokens[:4], np.random.default_rng(0))
    before = learner.parameters()["weight"]
    probe(desk, learner)
    np.testing.assert_array_equal(learner.parameters()["weight"], before)
    assert before.any()


def test_every_model_is_probed_with_the_same_examples(desk):
    """The subset depends on seed and stage alone: that is what makes the probe neutral."""
    fresh, trained = Watched(), Watched()
    trained.begin_stage(5)
    trained.step(desk.inputs.stages["general"].pool.tokens[:4], np.random.default_rng(0))
    trained.trained.clear()
    probe(desk, fresh)
    probe(desk, trained)
    assert fresh.trained == trained.trained
    assert [len(batch) for batch in fresh.trained] == [2, 2, 2, 2]
    other = Watched()
    probe(desk, other, seed=1)
    assert other.trained != fresh.trained


def test_a_probe_does_not_repeat_an_example_before_the_pool_is_used_up(desk):
    learner = Watched()
    probe(desk, learner)
    seen = [name for batch in learner.trained for name in batch]
    assert len(set(seen)) == len(seen) == 8


def test_a_probe_longer_than_the_pool_goes_round(tmp_path):
    desk = desk_of(nano_config(tmp_path, probe={"steps": 15, "points": 1, "items": 3}), tmp_path / "out")
    learner = Watched()
    probe(desk, learner)
    seen = [name for batch in learner.trained for name in batch]
    assert len(seen) == 30
    assert len(set(seen)) == len(desk.inputs.stages["math"].pool) == 24


def test_the_curve_counts_response_tokens_from_0(desk):
    learner = Watched()
    tokens, table = probe(desk, learner)
    length = {item.example.id: item.response_length for item in desk.inputs.stages["math"].pool.tokens}
    running = np.cumsum([sum(length[name] for name in batch) for batch in learner.trained])
    assert tokens == running[-1]
    assert sorted(set(table["probe_tokens"].to_pylist())) == [0, running[1], running[3]]
    assert sorted(set(table["point"].to_pylist())) == [0, 1, 2]


def test_the_curve_is_of_the_same_items_at_every_point(desk):
    _, table = probe(desk, FakeLearner())
    wanted = [item.example.id for item in probe_set(desk.inputs.stages["math"], desk.config).items]
    assert len(wanted) == 3
    assert table["item"].to_pylist() == wanted * 3


def test_a_probe_is_the_same_whenever_it_runs(desk):
    assert probe(desk, FakeLearner())[1].equals(probe(desk, FakeLearner())[1])
