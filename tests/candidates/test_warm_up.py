import numpy as np
import pytest

from farsighted.candidates.warm_up import WarmUpRun, warm_up
from farsighted.core.rng import WARM_UP, stream
from farsighted.testing.fake_learner import FakeLearner
from farsighted.testing.signals import sample_texts

POOL = sample_texts(7)
LENGTHS = np.array([tokens.response_length for tokens in POOL])
NLL = frozenset({"nll"})


def ran(run, place=(3, 2), learner=None, before_step=lambda: None):
    return warm_up(learner or FakeLearner(), POOL, NLL, run, place, before_step)


def test_it_equals_a_plain_loop():
    learner, order, records = FakeLearner(), stream(3, "data", 2, WARM_UP).permutation(7)[:4], []
    learner.begin_stage(2 * 2)
    for epoch in range(2):
        shuffled = order[stream(3, "data", 2, WARM_UP, epoch + 1).permutation(4)]
        for step, rows in enumerate((shuffled[:3], shuffled[3:])):
            learner.step([POOL[row] for row in rows], stream(3, "dropout", 2, WARM_UP, 2 * epoch + step))
        records.append(learner.signals(POOL, NLL)["nll"])
    found = ran(WarmUpRun(epochs=2, share=0.5, batch_size=3))
    assert found.rows["nll"].tolist() == np.stack(records, axis=1).tolist()
    assert found.scored_tokens == 2 * LENGTHS.sum()
    assert found.trained_tokens == 2 * LENGTHS[order].sum()


def test_the_learner_is_left_as_it_was_found():
    learner = FakeLearner()
    learner.begin_stage(3)
    learner.step(POOL, np.random.default_rng(0))
    before = learner.parameters()["weight"]
    ran(WarmUpRun(2, 1.0, 4), learner=learner)
    assert learner.parameters()["weight"].tolist() == before.tolist()


def test_at_least_one_example_is_trained_on():
    assert ran(WarmUpRun(1, 0.01, 4)).trained_tokens in LENGTHS


def test_seeds_and_stages_have_orders_of_their_own():
    run = WarmUpRun(1, 0.5, 2)
    found = [ran(run, place).rows["nll"].tolist() for place in ((0, 1), (0, 2), (1, 1))]
    assert found[0] != found[1] != found[2] != found[0]
    assert ran(run, (0, 1)).rows["nll"].tolist() == found[0]


def test_it_can_be_stopped_before_each_step():
    calls = []
    ran(WarmUpRun(3, 1.0, 2), before_step=lambda: calls.append(1))
    assert len(calls) == 3 * 4

    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ran(WarmUpRun(3, 1.0, 2), before_step=stop)
