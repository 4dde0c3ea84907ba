import numpy as np
import torch

from benchmarks.models import Shape, random_llama
from benchmarks.parts import run_parts
from benchmarks.results import BenchSettings
from benchmarks.whole_audit import recorded, replay


def trunk():
    return random_llama(Shape(16, 1, 50, 8), np.random.default_rng(0)).model


def test_passes_are_recorded_with_their_shapes_backward_passes_and_steps():
    model = trunk()
    weight = model.layers[0].mlp.down_proj.weight
    weight.requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW([weight])
    with recorded() as found:
        with torch.no_grad():
            model(torch.ones(2, 7, dtype=torch.int64))
        model(torch.ones(3, 5, dtype=torch.int64)).last_hidden_state.sum().backward()
        optimizer.step()
        model(torch.ones(1, 4, dtype=torch.int64))
    model(torch.ones(9, 9, dtype=torch.int64))
    said = [(one.rows, one.length, one.backward, one.steps) for one in found]
    assert said == [(2, 7, False, 0), (3, 5, True, 1), (1, 4, False, 0)]
    assert found[1].trained == (weight,)


def test_a_replay_passes_the_same_shapes_again():
    model = trunk()
    weight = model.layers[0].mlp.down_proj.weight
    weight.requires_grad_(requires_grad=True)
    with recorded() as found:
        with torch.no_grad():
            model(torch.ones(2, 7, dtype=torch.int64))
        model(torch.ones(3, 5, dtype=torch.int64)).last_hidden_state.sum().backward()
        torch.optim.AdamW([weight], lr=0.0).step()
    with recorded() as again:
        assert replay(found, torch.Generator().manual_seed(0)) > 0
    said = [[(one.rows, one.length, one.backward, one.steps) for one in record] for record in (found, again)]
    assert said[0] == said[1]


def test_the_whole_audit_is_measured_against_its_bare_passes():
    (part,) = run_parts(["audit"], BenchSettings(quick=True, threads=1))
    ratio, whole, bare = (row.value for row in part.rows)
    assert ratio == whole / bare
    assert whole > bare > 0
    assert "--" not in part.setting
