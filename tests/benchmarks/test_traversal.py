import numpy as np
import pytest
import torch

from benchmarks.traversal import farthest_first
from farsighted.sets import greedy

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")),
]
every_device = pytest.mark.parametrize("device", DEVICES)


def draw(count, seed=0):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


@every_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("history", [0, 30])
def test_tensors_are_traversed_as_arrays_are(device, dtype, history):
    points, before = draw(200).to(dtype), draw(30, seed=1)[:history].to(dtype)
    found = farthest_first(points.to(device), before.to(device))
    wanted = greedy.farthest_first(points.double().numpy(), before.double().numpy())
    assert found.order.tolist() == wanted.order.tolist()
    np.testing.assert_allclose(found.distance_at_pick, wanted.distance_at_pick, rtol=1e-6)


@every_device
def test_ties_on_a_lattice_go_to_the_smaller_row(device):
    points = torch.cartesian_prod(*[torch.arange(3.0)] * 4)
    found = farthest_first(points.to(device), points[:0].to(device), 60)
    assert found.order.tolist() == greedy.farthest_first(points.numpy(), points[:0].numpy(), 60).order.tolist()


@every_device
def test_copies_of_points_come_last(device):
    points = draw(20)[torch.arange(60) % 20].to(device)
    found = farthest_first(points, points[:0])
    assert sorted(found.order[:20].tolist()) == list(range(20))
    assert found.order[20:].tolist() == list(range(20, 60))
