import pytest
import torch
from transformers import get_scheduler

from farsighted.core.schedule import rate_share


@pytest.mark.parametrize(
    ("ours", "theirs"), [("linear", "linear"), ("cosine", "cosine"), ("constant", "constant_with_warmup")]
)
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (7, 0), (7, 2), (7, 7), (200, 20)])
def test_every_rate_is_that_of_transformers_to_the_last_bit(ours, theirs, steps, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(theirs, optimizer, warmup, steps)
    for step in range(steps + 3):
        assert rate_share(ours, step, steps, warmup) == schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_a_warm_up_that_starts_one_step_later_wastes_no_step(schedule):
    assert [rate_share(schedule, step, 10, 3, first=1) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
