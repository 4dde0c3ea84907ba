import numpy as np
import pytest
import torch

from farsighted.learners.masks import masks_from

RNG = np.random.default_rng
CPU, GPU = torch.device("cpu"), torch.device("cuda:1")


@pytest.fixture
def gpus(monkeypatch):
    """The generators of two GPUs that are not there, as far as masks know."""
    generators = (torch.Generator(), torch.Generator())
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda gpu: generators[gpu].get_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, gpu: generators[gpu].set_state(state))
    return generators


def drawn(seed, device, generator):
    with masks_from(RNG(seed), device):
        return torch.rand(4, generator=generator).tolist()


def test_masks_on_a_gpu_come_from_the_generator_given(gpus):
    first = drawn(0, GPU, gpus[1])
    gpus[1].manual_seed(5)
    assert drawn(0, GPU, gpus[1]) == first
    assert drawn(1, GPU, gpus[1]) != first


def test_generators_are_left_as_they_were(gpus):
    generators = (torch.random.default_generator, *gpus)
    before = [generator.get_state() for generator in generators]
    drawn(0, GPU, gpus[1])
    assert all(torch.equal(g.get_state(), state) for g, state in zip(generators, before, strict=True))


def test_masks_on_a_cpu_touch_no_gpu(gpus):
    drawn(0, CPU, None)
    untouched = torch.Generator().get_state()
    assert all(torch.equal(generator.get_state(), untouched) for generator in gpus)


def test_masks_on_a_cpu_come_from_the_generator_given():
    assert drawn(0, CPU, None) == drawn(0, CPU, None) != drawn(1, CPU, None)
